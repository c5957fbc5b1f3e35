//! What configures a sidecar: the operator's documents, answers of a discovery server, and what the
//! sidecar itself stored.
//!
//! Must hold: no panic; what the documents promise to be good, a sidecar takes; a bad answer leaves
//! in force what was; judging twice is judging once.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use outrider_daemon::xds::client::{Client, Response};
use outrider_daemon::xds::{Configuration, accept};
use outrider_policy::Tick;
use outrider_proto::envoy::core::Node;
use outrider_proto::envoy::discovery::{DeltaDiscoveryResponse, DiscoveryResponse, Resource};
use outrider_proto::google::Any;
use outrider_proto::v1::{StoredConfiguration, StoredResource};
use outrider_proto::{Kind, Resource as Named, Resources, Versioned, pack, unpack};
use prost::Message;

use crate::input::Input;

/// What every host name stands for.
const ADDRESSES: &[IpAddr] = &[IpAddr::V4(Ipv4Addr::LOCALHOST)];

/// Answers of one run; more of the input is not looked at.
const ANSWERS_MAX: usize = 20;

/// Files are divided by a line of this alone.
const NEXT_FILE: &str = "\n=====\n";

pub(crate) fn documents(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let files: Vec<_> = text.split(NEXT_FILE).map(|text| ("a.yaml", text)).collect();
    match outrider_documents::load(&files) {
        Ok(documents) => {
            let resources = outrider_documents::render(&documents);
            let accepted = accept(&resources, &Configuration::default());
            assert!(accepted.rejected.is_empty(), "{:?}", accepted.rejected);
            check(&resources, &accepted.configuration);
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            for error in errors {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}

/// What is in force can be used, and is what it is.
fn check(resources: &Resources, configuration: &Configuration) {
    let snapshot = configuration.snapshot("", |_| ADDRESSES);
    assert_eq!(snapshot.version, configuration.version());
    let again = accept(resources, configuration);
    assert_eq!(again.configuration.resources(), configuration.resources());
}

/// Answers of a server to a sidecar that wants a service, on a stream of either protocol.
pub(crate) fn xds_answer(data: &[u8]) {
    let mut input = Input::new(data);
    let mut client = Client::new(Node::default(), BTreeSet::new());
    let mut now = Tick::from_nanos(1_000_000_000);
    client.want(now, "orders");
    client.opened(now);
    for _ in 0..ANSWERS_MAX {
        if input.is_empty() {
            break;
        }
        let flags = input.octet();
        if let Some(response) = response(flags, &mut input) {
            client.receive(now, response.clone());
            let after = client.configuration().resources();
            // The same answer again changes nothing.
            client.receive(now, response);
            assert_eq!(client.configuration().resources(), after);
        }
        let snapshot = client.configuration().snapshot("", |_| ADDRESSES);
        assert_eq!(snapshot.version, client.configuration().version());
        now = now + Duration::from_secs(u64::from(flags >> 5));
        client.tick(now);
        client.find("orders");
    }
}

/// The octets as the whole answer, or as the body of a resource in a good one.
fn response(flags: u8, input: &mut Input<'_>) -> Option<Response> {
    let kind = match flags >> 1 & 7 {
        1 | 5 => Some(Kind::Routes),
        2 | 6 => Some(Kind::Cluster),
        3 | 7 => Some(Kind::Endpoints),
        4 => Some(Kind::Secret),
        _ => None,
    };
    let (version, length) = (input.octet() & 3, input.number());
    let octets = input.take(length);
    let is_delta = flags & 1 == 1;
    let Some(kind) = kind else {
        return match is_delta {
            true => DeltaDiscoveryResponse::decode(octets)
                .map(Response::Delta)
                .ok(),
            false => DiscoveryResponse::decode(octets).map(Response::World).ok(),
        };
    };
    let body = Any {
        type_url: kind.type_url(),
        value: octets.to_vec(),
    };
    let resource = Resource {
        name: "orders".to_owned(),
        version: version.to_string(),
        resource: Some(body.clone()),
        ..Resource::default()
    };
    Some(match is_delta {
        true => Response::Delta(DeltaDiscoveryResponse {
            type_url: kind.type_url(),
            nonce: "n".to_owned(),
            resources: vec![resource],
            ..DeltaDiscoveryResponse::default()
        }),
        false => Response::World(DiscoveryResponse {
            type_url: kind.type_url(),
            version_info: version.to_string(),
            nonce: "n".to_owned(),
            resources: vec![if flags & 16 == 0 {
                pack(&resource)
            } else {
                body
            }],
            ..DiscoveryResponse::default()
        }),
    })
}

/// A file of the sidecar's folder, behind its checksum: what an earlier version, or a disk, made.
pub(crate) fn stored_configuration(data: &[u8]) {
    let Ok(stored) = StoredConfiguration::decode(data) else {
        return;
    };
    let mut resources = Resources::default();
    for StoredResource {
        type_url,
        version,
        body,
    } in stored.resources
    {
        let Some(kind) = Kind::of_type_url(&type_url) else {
            return;
        };
        let value = body;
        let body = Any { type_url, value };
        let is_taken = match kind {
            Kind::Cluster => unpacked(&body, version, &mut resources.clusters),
            Kind::Endpoints => unpacked(&body, version, &mut resources.endpoints),
            Kind::Routes => unpacked(&body, version, &mut resources.routes),
            Kind::Secret => unpacked(&body, version, &mut resources.secrets),
            Kind::Listener => unpacked(&body, version, &mut resources.listeners),
        };
        if !is_taken {
            return;
        }
    }
    let services = stored.services.into_iter().collect();
    let client = Client::restored(Node::default(), BTreeSet::new(), services, &resources);
    check(&client.resources(), client.configuration());
    // A second life begins where the first one ended.
    let services = client.services().clone();
    let next = Client::restored(
        Node::default(),
        BTreeSet::new(),
        services,
        &client.resources(),
    );
    let in_force = client.configuration().resources();
    assert_eq!(next.configuration().resources(), in_force);
}

fn unpacked<M: Named>(body: &Any, version: String, into: &mut Vec<Versioned<M>>) -> bool {
    let message = unpack(body);
    let is_whole = message.is_ok();
    into.extend(message.ok().map(|message| Versioned { version, message }));
    is_whole
}
