//! The trust bundle, and what is said of names without an answer and of refusals.

use super::*;
use outrider_proto::TRUST_BUNDLE_SECRET;
use outrider_proto::envoy::core::{DataSource, data_source::Specifier};
use outrider_proto::envoy::tls::{CertificateValidationContext, Secret, secret::Type};

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

fn bundle(pem: &str) -> (Kind, Vec<Resource>) {
    let trusted_ca = Some(DataSource {
        specifier: Some(Specifier::InlineBytes(pem.as_bytes().to_vec())),
        ..DataSource::default()
    });
    let context = CertificateValidationContext {
        trusted_ca,
        ..CertificateValidationContext::default()
    };
    let secret = Secret {
        name: TRUST_BUNDLE_SECRET.to_owned(),
        r#type: Some(Type::ValidationContext(context)),
    };
    (Kind::Secret, vec![wrapped(secret)])
}

#[test]
fn a_trust_bundle_stays_until_another_good_one_comes() {
    let two = PEM.repeat(2);
    let mut client = asking();
    assert_eq!(client.trust_bundle(), None);
    let steps = [
        (sent(bundle(PEM)), PEM, true),
        (sent(bundle(&two)), two.as_str(), true),
        (sent(bundle("noise")), two.as_str(), false),
        (
            removed(Kind::Secret, TRUST_BUNDLE_SECRET),
            two.as_str(),
            true,
        ),
    ];
    for (response, expected, taken) in steps {
        let requests = delta(client.receive(NOW, response));
        assert_eq!(client.trust_bundle(), Some(expected.as_bytes()));
        assert_eq!(requests[0].error_detail.is_none(), taken);
    }
}

#[test]
fn a_bundle_is_stored_with_the_rest() {
    let mut client = asking();
    client.receive(NOW, sent(bundle(PEM)));
    let client = Client::restored(
        Node::default(),
        BTreeSet::new(),
        BTreeSet::new(),
        &client.resources(),
    );
    assert_eq!(client.trust_bundle(), Some(PEM.as_bytes()));
}

#[test]
fn absent_is_what_the_answer_is_that_there_is_none() {
    let mut client = asking();
    client.want(NOW, "b");
    assert_eq!(client.absent(), BTreeSet::new());
    client.receive(NOW, removed(Kind::Routes, "b"));
    assert_eq!(client.absent(), BTreeSet::from(["b".to_owned()]));
    client.receive(NOW, sent(routes()));
    client.receive(NOW, removed(Kind::Routes, "a"));
    let both = ["a", "b"].map(str::to_owned);
    assert_eq!(client.absent(), BTreeSet::from(both));
}

/// The routes of `a`, which lead nowhere if they are bad.
fn routes_said(bad: bool) -> Response {
    let mut message = rendered().routes[0].message.clone();
    for route in message
        .virtual_hosts
        .iter_mut()
        .flat_map(|host| &mut host.routes)
    {
        if bad {
            route.action = None;
        }
    }
    sent((Kind::Routes, vec![wrapped(message)]))
}

#[test]
fn no_call_waits_for_a_service_of_which_all_words_were_refused() {
    let both = ["a", "grpc/shop.A"].map(str::to_owned);
    let mut client = asking();
    client.want(NOW, "grpc/shop.A");
    assert_eq!(client.unusable(), BTreeSet::new());
    for (bad, expected) in [
        (true, BTreeSet::from(both)),
        (false, BTreeSet::new()),
        (true, BTreeSet::new()),
    ] {
        let requests = delta(client.receive(NOW, routes_said(bad)));
        let refused = requests
            .iter()
            .any(|request| request.error_detail.is_some());
        assert_eq!((refused, client.unusable()), (bad, expected));
        assert_eq!(client.absent(), BTreeSet::new(), "it is to be saved");
    }
}

/// Kind, name and age in seconds of what is refused at second 9.
fn refused(client: &Client) -> Vec<(Kind, String, u64)> {
    let each = client.rejections().into_iter();
    each.map(|refused| {
        let age = after(9).since(refused.since);
        (refused.kind, refused.name, age.as_secs())
    })
    .collect()
}

#[test]
fn a_refusal_is_shown_until_the_server_mends_it_and_keeps_its_age() {
    let mut client = serving();
    client.receive(after(2), sent(cluster(0)));
    client.receive(after(3), sent(cluster(0)));
    let name = || "a".to_owned();
    assert_eq!(refused(&client), [(Kind::Cluster, name(), 7)]);
    assert!(client.rejections()[0].reason.starts_with("field:lb_policy"));
    client.receive(after(4), sent(cluster(3)));
    assert_eq!(client.rejections(), []);
}

#[test]
fn noise_is_shown_until_the_server_has_another_word() {
    let mut client = asking();
    let (kind, mut noise) = routes();
    noise[0].resource.get_or_insert_default().value = vec![0xff; 3];
    client.receive(after(1), sent((kind, noise)));
    assert_eq!(refused(&client), [(Kind::Routes, "a".to_owned(), 8)]);
    client.receive(after(2), sent(routes()));
    assert_eq!(client.rejections(), []);
}
