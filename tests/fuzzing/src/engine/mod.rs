//! A whole engine under arbitrary events: two or more connections, arbitrary octets on them,
//! arbitrary order.
//!
//! Must hold: no panic; a peer that only hears valid HTTP/2 is never told anything else; the engine
//! comes to rest after every event; when all connections are gone, no call, timer or count is left.

mod wire;
mod world;

use std::time::Duration;

use outrider_engine::{CloseCause, Side};

use crate::input::Input;
use world::World;

/// Events of one run; more of the input is not looked at.
const EVENTS_MAX: usize = 400;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new();
    for _ in 0..EVENTS_MAX {
        if input.is_empty() {
            break;
        }
        event(&mut world, &mut input);
        world.act();
    }
    world.end();
}

fn event(world: &mut World, input: &mut Input<'_>) {
    match input.below(24) {
        0 => world.accept(Side::Outbound),
        1 => world.accept(Side::Inbound),
        2..5 => world.call(input),
        5 => world.peer(input, |wire, input| wire.send(input)),
        6 => world.peer(input, |wire, _| wire.end_sending()),
        7 => world.peer(input, |wire, _| wire.reset()),
        8..11 => world.peer(input, |wire, input| wire.answer(input)),
        11 => world.peer(input, |wire, input| wire.head(input)),
        12 => world.peer(input, |wire, input| wire.credit(input)),
        13 => world.peer(input, |wire, input| wire.control(input)),
        14 => world.raw(input),
        15 => world.exchange(input),
        16..19 => world.settle(),
        19 => {
            // Up to an hour, mostly less than a second.
            let millis = 1_u64 << input.below(23);
            world.pass(Duration::from_millis(millis));
        }
        20 => {
            let how = [CloseCause::Eof, CloseCause::Reset, CloseCause::Error][input.below(3)];
            world.close(input.below(8), how);
        }
        21 => world.resolve(input.below(4) != 0),
        22 => world.configure(input.below(5)),
        _ => world.drain(input.octet()),
    }
}
