//! The application's place in the mesh: announced while it serves, withdrawn before the end.
//!
//! A lease is held up by announcements and ends by itself without them; a change of the
//! application's health goes out at once. Whose lease it is, the certificate says.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use outrider_proto::v1::Announcement;
use outrider_proto::v1::registry_client::RegistryClient;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::application_health::ApplicationHealth;
use super::connection::Connection;
use super::observer::Observer;
use super::status::MemberStatus;
use super::withdrawal::WithdrawalReceiver;
use crate::clock;
use crate::grpc_error;
use crate::worker::Workers;

/// Time between two announcements until the control plane says how long a lease is.
const INTERVAL_FIRST: Duration = Duration::from_millis(1_600);

/// A lease that is shorter than 300 ms is announced no more often all the same.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Longest time to the next stream after one has failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Announcements that may wait to be sent: the present one and what has just changed.
const WAITING_MAX: usize = 4;

/// Announces the application to the control plane.
#[derive(Debug)]
pub struct Announcer {
    /// Tells this run of the sidecar from others at its address.
    pub instance: String,
    /// Where the application listens.
    pub application: SocketAddr,
    /// Its health, by [`super::application::watch`], which goes on without a control plane.
    pub health: watch::Receiver<ApplicationHealth>,
    /// Where the inbound listener listens.
    pub inbound: SocketAddr,
    /// Where the operator says that it is reached.
    pub advertise: Option<SocketAddr>,
    /// Asks for the withdrawal when the process stops.
    pub withdrawal: WithdrawalReceiver,
    /// Source of breaker observations.
    pub workers: Workers,
    /// Last observations reported.
    pub observer: Observer,
    /// For the admin pages.
    pub status: watch::Sender<MemberStatus>,
}

impl Announcer {
    /// The connection is over.
    pub fn disconnected(&self) {
        self.withdrawal.disconnected();
    }

    /// Announces the application over `connection`; ends only when given up.
    pub async fn run(&mut self, connection: &Connection) {
        let address = address(self.advertise, self.inbound, connection.local);
        loop {
            tokio::select! {
                // An error only when the process ends.
                _ = self.health.wait_for(|health| *health != ApplicationHealth::Unknown) => {}
                () = self.withdrawal.asked() => {}
            }
            if self.withdrawal.is_done() {
                break;
            }
            match self.stream(connection, address).await {
                Ok(()) => self.withdrawn(),
                Err(status) => self.not_announced(address, &status).await,
            }
        }
        std::future::pending::<()>().await;
    }

    fn withdrawn(&mut self) {
        self.withdrawal.withdrawn();
        let why = "it was withdrawn, because this sidecar stops".to_owned();
        self.status
            .send_modify(|status| status.not_announced = Some(why));
    }

    /// Says why, and waits before the next try; a withdrawal has less time.
    async fn not_announced(&mut self, address: SocketAddr, status: &Status) {
        let problem = grpc_error::describe(status, None);
        // Once per change: the next tries will hear the same.
        let is_news = self.status.borrow().not_announced.as_ref() != Some(&problem);
        if is_news {
            tracing::error!(%address, problem, code = ?status.code(), "not announced");
        }
        self.status
            .send_modify(|status| status.not_announced = Some(problem));
        let asked_before = self.withdrawal.is_asked();
        tokio::select! {
            () = tokio::time::sleep(clock::spread(AGAIN_AFTER, clock::seed())) => {}
            () = self.withdrawal.asked(), if !asked_before => {}
        }
    }

    /// One stream of announcements; ends well when the withdrawal was heard.
    async fn stream(&mut self, connection: &Connection, address: SocketAddr) -> Result<(), Status> {
        let (outgoing, announcements) = mpsc::channel(WAITING_MAX);
        self.withdrawal.announced();
        // Before the call: a server may wait for it.
        let mut withdrew = self.announce(&outgoing, address).await;
        let mut registry = RegistryClient::new(connection.channel.clone());
        let answers = registry
            .announce(ReceiverStream::new(announcements))
            .await?;
        let mut answers = answers.into_inner();
        let mut interval = INTERVAL_FIRST;
        loop {
            tokio::select! {
                Ok(()) = self.health.changed() => {}
                () = self.withdrawal.asked(), if !withdrew => {}
                () = tokio::time::sleep(interval) => {}
                answer = answers.message() => match answer? {
                    Some(lease) if lease.withdrawn => return Ok(()),
                    Some(lease) => {
                        self.status.send_modify(|status| status.not_announced = None);
                        let duration = Duration::from_millis(lease.duration_ms.into());
                        interval = (duration / 3).max(INTERVAL_MIN);
                        continue;
                    }
                    None => return Err(Status::unavailable("the control plane ended the stream")),
                },
            }
            withdrew = self.announce(&outgoing, address).await;
        }
    }

    /// Says how it is; gives whether that was the withdrawal.
    async fn announce(
        &mut self,
        outgoing: &mpsc::Sender<Announcement>,
        address: SocketAddr,
    ) -> bool {
        let observations = tokio::select! {
            biased;
            // A worker that takes its time must not hold this up.
            () = self.withdrawal.asked() => Vec::new(),
            gauges = self.workers.gauges() => self.observer.observe(&gauges),
        };
        let withdraw = self.withdrawal.is_asked();
        let health = self.health.borrow_and_update().clone();
        let problem = health.problem(self.application);
        let serving = health.is_serving();
        self.status.send_modify(|status| {
            status.advertised = Some(address);
            status.application_serving = serving;
            status.application_problem.clone_from(&problem);
        });
        let announcement = Announcement {
            instance: self.instance.clone(),
            address: address.to_string(),
            serving,
            withdraw,
            observations,
            unready_because: problem.unwrap_or_default(),
        };
        // Fails when the stream has just ended, which it says itself.
        let _ = outgoing.send(announcement).await;
        withdraw
    }
}

/// Where others reach the inbound listener: where the operator says, else where it listens, and if
/// that is everywhere, at the address that the control plane is reached from.
fn address(advertise: Option<SocketAddr>, listening: SocketAddr, local: IpAddr) -> SocketAddr {
    let own = match listening.ip().is_unspecified() {
        true => SocketAddr::new(local.to_canonical(), listening.port()),
        false => listening,
    };
    advertise.unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_application_is_reached() {
        let cases = [
            (None, "0.0.0.0:15006", "10.0.0.5", "10.0.0.5:15006"),
            (None, "[::]:15006", "::ffff:10.0.0.5", "10.0.0.5:15006"),
            (None, "127.0.0.1:15006", "10.0.0.5", "127.0.0.1:15006"),
            (
                Some("203.0.113.9:443"),
                "0.0.0.0:15006",
                "10.0.0.5",
                "203.0.113.9:443",
            ),
        ];
        for (advertise, listening, local, expected) in cases {
            let parse = |text: &str| text.parse::<SocketAddr>().expect("an address");
            let local = local.parse().expect("an address");
            let found = address(advertise.map(parse), parse(listening), local);
            assert_eq!(found, parse(expected));
        }
    }
}
