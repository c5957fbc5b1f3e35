//! A sidecar's listeners: always asked for, the last good one in force.

use super::*;

const INBOUND: &str = "inbound/a/default";

fn listening() -> Client {
    let names = BTreeSet::from([INBOUND.to_owned(), "outbound".to_owned()]);
    Client::new(Node::default(), names)
}

/// The inbound listener of `a`; one with an address is bad.
fn listener(is_bad: bool) -> (Kind, Vec<Resource>) {
    let mut listener = rendered().listeners[0].message.clone();
    assert_eq!(listener.name, INBOUND);
    listener.address = is_bad.then(Default::default);
    (Kind::Listener, vec![wrapped(listener)])
}

#[test]
fn they_are_asked_for_by_name_before_any_call() {
    let asked = subscribed(listening().opened(NOW));
    let names = vec![INBOUND.to_owned(), "outbound".to_owned()];
    let bundle = vec!["trust-bundle".to_owned()];
    assert_eq!(asked, [(Kind::Secret, bundle), (Kind::Listener, names)]);
}

#[test]
fn a_bad_one_is_refused_and_the_last_good_stays_until_it_is_removed() {
    let mut client = listening();
    client.opened(NOW);
    client.receive(NOW, sent(listener(false)));
    let good = client.configuration().resources();
    assert_eq!(in_force(&client), ["listener/inbound/a/default"]);
    let requests = delta(client.receive(NOW, sent(listener(true))));
    let error = requests[0].error_detail.clone().expect("a refusal");
    assert!(error.message.contains("field:address"), "{}", error.message);
    assert_eq!(client.configuration().resources(), good);
    client.receive(NOW, removed(Kind::Listener, INBOUND));
    assert_eq!(in_force(&client), [""; 0]);
}

#[test]
fn the_next_life_begins_with_them() {
    let mut client = listening();
    client.opened(NOW);
    client.receive(NOW, sent(listener(false)));
    let resources = client.resources();
    let names = BTreeSet::from([INBOUND.to_owned()]);
    let next = Client::restored(Node::default(), names, BTreeSet::new(), &resources);
    assert_eq!(
        next.configuration().resources(),
        client.configuration().resources()
    );
}
