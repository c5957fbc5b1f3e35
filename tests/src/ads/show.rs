//! Messages as a reader of a replay wants to see them.

use std::collections::BTreeSet;

use outrider_daemon::xds::client::{Request, Response};
use outrider_proto::envoy::discovery::ResourceError;
use outrider_proto::{Kind, unpack};

pub(super) fn shown_request(request: &Request) -> String {
    match request {
        Request::Delta(request) => format!(
            "{} +{:?} -{:?} has {:?} answers `{}` {}",
            kind(&request.type_url),
            request.resource_names_subscribe,
            request.resource_names_unsubscribe,
            request.initial_resource_versions,
            request.response_nonce,
            shown_error(request.error_detail.is_some())
        ),
        Request::World(request) => format!(
            "{} {:?} answers `{}` {}",
            kind(&request.type_url),
            request.resource_names,
            request.response_nonce,
            shown_error(request.error_detail.is_some())
        ),
    }
}

fn shown_error(refused: bool) -> &'static str {
    if refused { "with no" } else { "" }
}

pub(super) fn shown_response(response: &Response) -> String {
    match response {
        Response::Delta(response) => {
            let sent = response.resources.iter();
            let sent: Vec<_> = sent.map(|r| format!("{}@{}", r.name, r.version)).collect();
            let removed = &response.removed_resources;
            let kind = kind(&response.type_url);
            format!("{kind} `{}` +{sent:?} -{removed:?}", response.nonce)
        }
        Response::World(response) => {
            let kind = kind(&response.type_url);
            let count = response.resources.len();
            format!("{kind} `{}` {count} resources", response.nonce)
        }
    }
}

/// `kind/name` of each resource that a request refuses.
pub(super) fn refused_names(request: &Request) -> Option<BTreeSet<String>> {
    let (type_url, error) = match request {
        Request::Delta(request) => (&request.type_url, &request.error_detail),
        Request::World(request) => (&request.type_url, &request.error_detail),
    };
    let details = error.as_ref()?.details.iter();
    let errors = details.filter_map(|any| unpack::<ResourceError>(any).ok());
    let names = errors.filter_map(|error| error.resource_name);
    let kind = kind(type_url);
    Some(names.map(|name| format!("{kind}/{}", name.name)).collect())
}

fn kind(type_url: &str) -> &'static str {
    match Kind::of_type_url(type_url) {
        Some(Kind::Cluster) => "cluster",
        Some(Kind::Endpoints) => "endpoints",
        Some(Kind::Secret) => "secret",
        Some(Kind::Listener) => "listener",
        Some(Kind::Routes) => "routes",
        None => "unknown",
    }
}
