//! Who has come in, and who gives way when there are too many.
//!
//! A guest shakes hands, and is then nobody in particular or somebody whom its certificate names. Each
//! class has its ceiling: of handshakes and of strangers the one that [`outrider_eviction`] names gives
//! way, so that an address pushes out only itself; who has a certificate is refused one connection too
//! many, and gives way only when descriptors run out and no address has more. Descriptors are kept back for the store, the admin pages and
//! the looks at members, so that no crowd at this door stops them. Knows no TLS and no time.

#![expect(
    clippy::disallowed_types,
    reason = "beside the data path: the lock is held for a look into a map"
)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrider_eviction::{Crowd, Handshakes};
use tokio::sync::oneshot;

use super::connection_counts::{BUSIEST_MAX, Census, TurnedAway};
use crate::members::MemberId;
use crate::members::caller::Identity;

/// Handshakes at once. 512: some milliseconds of work each, done within their timeout by two cores.
const HANDSHAKES_MAX: usize = 512;

/// Places that only handshakes have. 64.
const HANDSHAKES_ROOM: usize = 64;

/// Connections without a certificate at once. 256: each is there to ask for the bundle and to join,
/// and has ten seconds for it.
const ANONYMOUS_MAX: usize = 256;

/// Connections of one member, or of the operator, at once. 64: a sidecar has one, and a few that it
/// has lost and we have not noticed yet.
const OF_ONE_MAX: usize = 64;

/// Most guests of each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// All together: what the descriptors allow.
    pub all: usize,
    /// Whose handshake is under way.
    pub handshakes: usize,
    /// Without a certificate.
    pub anonymous: usize,
    /// Of one member, or of the operator.
    pub of_one: usize,
}

impl Ceilings {
    /// The usual ones, where so many connections may be open.
    pub fn new(all: usize) -> Ceilings {
        Ceilings {
            all,
            handshakes: HANDSHAKES_MAX,
            anonymous: ANONYMOUS_MAX,
            of_one: OF_ONE_MAX,
        }
    }
}

/// Who is inside; clones are the same ones.
#[derive(Clone, Debug)]
pub struct Guests(Arc<Mutex<Inside>>);

#[derive(Debug)]
struct Inside {
    ceilings: Ceilings,
    last: u64,
    places: BTreeMap<u64, Place>,
    handshakes: Handshakes<u64>,
    anonymous: Crowd<u64>,
    known: BTreeMap<Known, usize>,
    known_by_address: Crowd<u64>,
    turned_away: TurnedAway,
}

#[derive(Debug)]
struct Place {
    from: IpAddr,
    stage: Stage,
    /// Its end tells the guest to go.
    _stays: oneshot::Sender<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Handshake,
    Anonymous,
    Known(Known),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Operator,
    Member(MemberId),
}

/// A guest's right to be there; dropped, it leaves.
#[derive(Debug)]
pub struct Seat {
    guests: Guests,
    number: u64,
}

/// Says that a guest has to go.
#[derive(Debug)]
pub struct Gone(oneshot::Receiver<()>);

impl Gone {
    /// Returns when it has to.
    pub async fn wait(&mut self) {
        // Nobody sends: it is the end of the other end that is waited for.
        let _ = (&mut self.0).await;
    }
}

/// The member, or the operator, has too many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this member has as many connections as it may have")]
pub struct TooMany;

impl Guests {
    /// Nobody yet.
    pub fn new(ceilings: Ceilings) -> Guests {
        Guests(Arc::new(Mutex::new(Inside {
            ceilings,
            last: 0,
            places: BTreeMap::new(),
            handshakes: Handshakes::default(),
            anonymous: Crowd::default(),
            known: BTreeMap::new(),
            known_by_address: Crowd::default(),
            turned_away: TurnedAway::default(),
        })))
    }

    /// Somebody connects from `from`. If there are too many, one has to go, perhaps this one.
    pub fn arrive(&self, from: IpAddr) -> (Seat, Gone) {
        let (stays, goes) = oneshot::channel();
        let number = self.inside().arrive(from, stays);
        let guests = self.clone();
        (Seat { guests, number }, Gone(goes))
    }

    /// Who is inside, in numbers.
    pub fn census(&self) -> Census {
        self.inside().census()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // What a panic left behind is counted all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Its ClientHello has come.
    pub fn spoke(&self) {
        let mut inside = self.guests.inside();
        if let Some(from) = inside.places.get(&self.number).map(|place| place.from) {
            inside.handshakes.note_hello(from, self.number);
        }
    }

    /// Its handshake is over, and it is this one.
    ///
    /// # Errors
    /// That one has too many connections already.
    pub fn settle(&self, identity: &Identity) -> Result<(), TooMany> {
        let stage = match identity {
            Identity::Anonymous => Stage::Anonymous,
            Identity::Operator => Stage::Known(Known::Operator),
            Identity::Sidecar(workload) => Stage::Known(Known::Member(workload.member)),
        };
        self.guests.inside().settle(self.number, stage)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.guests.inside().leave(self.number);
    }
}

impl Inside {
    fn arrive(&mut self, from: IpAddr, stays: oneshot::Sender<()>) -> u64 {
        self.last += 1;
        let place = Place {
            from,
            stage: Stage::Handshake,
            _stays: stays,
        };
        self.places.insert(self.last, place);
        self.handshakes.begin(from, self.last);
        let others = self.places.len() - self.handshakes.count();
        let room = self.ceilings.all.saturating_sub(others);
        let most = self.ceilings.handshakes.min(room);
        if let Some(surplus) = self.handshakes.take_surplus(most) {
            self.turned_away.handshakes += 1;
            self.leave(surplus);
        }
        self.last
    }

    fn settle(&mut self, number: u64, stage: Stage) -> Result<(), TooMany> {
        // Without a place it has to go already.
        let Some(place) = self.places.get_mut(&number) else {
            return Ok(());
        };
        let from = place.from;
        self.handshakes.end(from, number);
        if let Stage::Known(known) = stage {
            let count = self.known.entry(known).or_default();
            if *count >= self.ceilings.of_one {
                self.turned_away.known += 1;
                self.places.remove(&number);
                return Err(TooMany);
            }
            *count += 1;
        }
        place.stage = stage;
        match stage {
            Stage::Anonymous => self.anonymous.insert(from, number),
            Stage::Known(_) => self.known_by_address.insert(from, number),
            Stage::Handshake => {}
        }
        self.make_room();
        Ok(())
    }

    /// Of too many whose handshake is over one gives way: a stranger, if there is one. A quarter of
    /// all, and at most 64, is for handshakes: whoever comes is looked at.
    fn make_room(&mut self) {
        let for_handshakes = (self.ceilings.all / 4).min(HANDSHAKES_ROOM);
        let seated = self.places.len() - self.handshakes.count();
        let is_full = seated > self.ceilings.all - for_handshakes;
        if is_full || self.anonymous.count() > self.ceilings.anonymous {
            if let Some(surplus) = self.anonymous.pop() {
                self.turned_away.anonymous += 1;
                self.leave(surplus);
            } else if let Some(surplus) = self.known_by_address.pop() {
                self.turned_away.known += 1;
                self.leave(surplus);
            }
        }
    }

    fn leave(&mut self, number: u64) {
        let Some(place) = self.places.remove(&number) else {
            return;
        };
        match place.stage {
            Stage::Handshake => self.handshakes.end(place.from, number),
            Stage::Anonymous => drop(self.anonymous.remove(place.from, number)),
            Stage::Known(known) => {
                self.known_by_address.remove(place.from, number);
                let count = self.known.entry(known).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.known.remove(&known);
                }
            }
        }
    }

    fn census(&self) -> Census {
        let mut by_address = Crowd::default();
        for (number, place) in &self.places {
            by_address.insert(place.from, *number);
        }
        Census {
            handshakes: self.handshakes.count(),
            anonymous: self.anonymous.count(),
            known: self.known.values().sum(),
            busiest: by_address.busiest(BUSIEST_MAX),
            turned_away: self.turned_away,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::members::caller::Workload;

    const FEW: Ceilings = Ceilings {
        all: 12,
        handshakes: 4,
        anonymous: 3,
        of_one: 2,
    };

    fn host(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn member(number: u8) -> Identity {
        Identity::Sidecar(Workload {
            namespace: "default".to_owned(),
            service: "orders".to_owned(),
            member: MemberId::new([number; 8]),
            expires_unix: 0,
            issuer: String::new(),
        })
    }

    fn has_to_go((_, gone): &mut (Seat, Gone)) -> bool {
        gone.wait().now_or_never().is_some()
    }

    #[test]
    fn silent_ones_of_one_address_push_out_only_themselves() {
        let guests = Guests::new(FEW);
        let mut honest = guests.arrive(host(9));
        let flood: Vec<_> = (0..100).map(|_| guests.arrive(host(1))).collect();
        assert!(!has_to_go(&mut honest));
        assert_eq!(guests.census().handshakes, FEW.handshakes);
        assert_eq!(guests.census().turned_away.handshakes, 97);
        assert_eq!(guests.census().busiest, [(host(1), 3), (host(9), 1)]);
        honest
            .0
            .settle(&Identity::Anonymous)
            .expect("a stranger may stay");
        drop((flood, honest));
        let nobody = Census {
            turned_away: guests.census().turned_away,
            ..Census::default()
        };
        assert_eq!(guests.census(), nobody);
    }

    #[test]
    fn strangers_are_few_and_push_out_only_their_like() {
        let guests = Guests::new(FEW);
        let stranger = |last| {
            let seat = guests.arrive(host(last));
            seat.0.settle(&Identity::Anonymous).expect("it may stay");
            seat
        };
        let known = guests.arrive(host(1));
        known.0.settle(&member(1)).expect("it may stay");
        let mut honest = stranger(9);
        let _flood: Vec<_> = (0..100).map(|_| stranger(1)).collect();
        assert!(!has_to_go(&mut honest));
        let census = guests.census();
        assert_eq!((census.anonymous, census.known), (3, 1));
        assert_eq!(census.turned_away.anonymous, 98);
    }

    #[test]
    fn a_member_has_so_many_connections_and_others_theirs() {
        let guests = Guests::new(FEW);
        let come = |identity: &Identity| {
            let seat = guests.arrive(host(1));
            let settled = seat.0.settle(identity);
            (seat, settled)
        };
        let first = come(&member(1));
        let second = come(&member(1));
        let third = come(&member(1));
        assert_eq!((first.1, second.1), (Ok(()), Ok(())));
        assert_eq!(third.1, Err(TooMany));
        assert_eq!(come(&member(2)).1, Ok(()));
        assert_eq!(come(&Identity::Operator).1, Ok(()));
        drop(first);
        assert_eq!(come(&member(1)).1, Ok(()));
        assert_eq!(guests.census().turned_away.known, 1);
    }

    #[test]
    fn without_descriptors_an_address_pushes_out_only_itself() {
        let guests = Guests::new(FEW);
        let mut flood = Vec::new();
        let mut honest = guests.arrive(host(2));
        honest.0.settle(&member(0)).expect("it may stay");
        for number in 1..=100 {
            let seat = guests.arrive(host(1));
            seat.0.settle(&member(number)).expect("it is a member");
            flood.push(seat);
        }
        assert_eq!(guests.census().known, 9, "a quarter is for handshakes");
        assert!(!has_to_go(&mut honest));
        let mut late = guests.arrive(host(3));
        late.0.settle(&Identity::Operator).expect("it may stay");
        assert!(!has_to_go(&mut late));
        assert_eq!(guests.census().turned_away.known, 93);
    }
}
