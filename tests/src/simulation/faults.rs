//! Trouble: what goes wrong outside the sidecars, and what their operator does meanwhile.

use std::time::Duration;

use outrider_http2::GoawayKind;

use super::agenda::Event;
use super::configuration;
use super::network::Place;
use super::plan::Fault;
use super::world::World;

impl World {
    pub(super) fn fault(&mut self, fault: Fault) {
        self.note(|_| format!("fault: {fault:?}"));
        // These say themselves whom they disturb.
        let is_silent = matches!(
            fault,
            Fault::Panic(_) | Fault::Strain(_) | Fault::Hostile(_) | Fault::Certificate(..)
        );
        if !is_silent {
            self.disturbed = Some(self.now);
        }
        match fault {
            Fault::ResetLink(choice) => self.reset_some_link(choice),
            Fault::HalfClose(choice) => self.half_close_some_link(choice),
            Fault::Kill(server) => self.kill(server),
            Fault::Revive(server) => self.servers[server].is_listening = true,
            Fault::Goaway(server, after) => self.goaway(server, after),
            Fault::Configure(seed) => self.configure(configuration::other(&self.plan, seed)),
            Fault::Starve(seed) => self.configure(configuration::starved(&self.plan, seed)),
            Fault::Withdraw(is_absent) => self.withdraw(is_absent),
            Fault::Drain(endpoint, patience) => self.drain(endpoint + 1, patience),
            Fault::Certificate(sidecar, change) => self.certificate(sidecar, change),
            Fault::Panic(bug) => self.inject(bug),
            Fault::Strain(strain) => self.strain(strain),
            Fault::Hostile(hostile) => self.hostile(hostile),
        }
    }

    fn reset_some_link(&mut self, choice: u64) {
        let links = &self.network.links;
        let is_hostile = |link: usize| matches!(links[link].ends[0], Place::Hostile(_));
        let open = |link: &usize| links[*link].open == [true, true] && !is_hostile(*link);
        let links: Vec<_> = (0..self.network.links.len()).filter(open).collect();
        if let Some(link) = choose(&links, choice) {
            self.note(|_| format!("network: resets link {link}"));
            self.network.reset(&mut self.agenda, self.now, link);
        }
    }

    fn half_close_some_link(&mut self, choice: u64) {
        let links = &self.network.links;
        let application = |(link, end): &(usize, usize)| match links[*link].ends[*end] {
            Place::Client(_) | Place::Server(_) => links[*link].open == [true, true],
            Place::Sidecar(_) | Place::Hostile(_) => false,
        };
        let ends: Vec<_> = (0..links.len())
            .flat_map(|link| [(link, 0), (link, 1)])
            .filter(application)
            .collect();
        if let Some((link, end)) = choose(&ends, choice) {
            self.note(|_| format!("network: end {end} of link {link} sends no more"));
            self.network.finish(&mut self.agenda, self.now, link, end);
        }
    }

    fn kill(&mut self, server: usize) {
        self.servers[server].is_listening = false;
        let links: Vec<_> = self.servers[server].connections.keys().copied().collect();
        for link in links {
            self.network.reset(&mut self.agenda, self.now, link);
            self.server_hung_up(server, link);
        }
    }

    fn goaway(&mut self, server: usize, after: Duration) {
        self.server_goaway(server, GoawayKind::Notice);
        self.agenda
            .plan(self.now + after, Event::LastGoaway { server });
    }

    /// A sidecar is told to stop: its listener closes first, as a process would do it.
    pub(super) fn drain(&mut self, sidecar: usize, patience: Duration) {
        let now = self.now;
        let me = &mut self.sidecars[sidecar];
        me.is_listening = false;
        me.engine.drain(now, now + patience);
        self.turn(sidecar);
    }
}

fn choose<T: Copy>(from: &[T], choice: u64) -> Option<T> {
    let count = from.len() as u64;
    (count > 0).then(|| from[(choice % count) as usize])
}
