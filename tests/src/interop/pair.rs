//! One server behind a pair of sidecars with mutual TLS.
//!
//! The clients send an `:authority` of host and port. A loopback address is no service, so the caller's
//! sidecar finds it by the gRPC service in the path: the document lists both services of the protocol,
//! `UnimplementedService` too, so that the server itself says what it lacks. Dubbo, which has no word
//! for loopback, calls the service by its name.

use std::net::SocketAddr;

use outrider_daemon::Options;
use tempfile::TempDir;

use super::peer::SERVICE;
use super::tap::Tap;
use crate::{Authority, Sidecar, write_service_of};

/// What an interop client talks to. Stops when dropped.
pub struct Pair {
    /// Where the client connects.
    pub outbound: SocketAddr,
    /// What the callee's sidecar talks to: the server, and what it is told.
    pub tap: Tap,
    _sidecars: [Sidecar; 2],
    _folders: [TempDir; 3],
}

impl Pair {
    /// Starts both sidecars before the server at `server`.
    pub async fn start(server: SocketAddr) -> Pair {
        let tap = Tap::start(server).await;
        let folders = [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
        let [documents, of_callee, of_caller] = &folders;
        let authority = Authority::new();
        // Where the callee listens is known only when it listens.
        say(documents, SocketAddr::from(([127, 0, 0, 1], 1)));
        let callee = Sidecar::start(Options {
            app: Some(tap.address),
            identity: Some(authority.issue(of_callee.path(), SERVICE)),
            ..quiet(SERVICE, documents, of_callee)
        });
        let callee = callee.await.expect("the callee's sidecar starts");
        let inbound = callee.addresses().inbound;
        say(documents, inbound.expect("it has an application"));
        let caller = Sidecar::start(Options {
            identity: Some(authority.issue(of_caller.path(), "caller")),
            ..quiet("caller", documents, of_caller)
        });
        let caller = caller.await.expect("the caller's sidecar starts");
        Pair {
            outbound: caller.addresses().outbound,
            tap,
            _sidecars: [caller, callee],
            _folders: folders,
        }
    }
}

fn say(documents: &TempDir, endpoint: SocketAddr) {
    let services = "grpc.testing.TestService, grpc.testing.UnimplementedService";
    let endpoint = endpoint.to_string();
    write_service_of(documents.path(), SERVICE, services, "mesh", &endpoint);
}

/// Half of the cases ask for errors; their lines would hide the matrix.
fn quiet(service: &str, documents: &TempDir, own: &TempDir) -> Options {
    Options {
        access_log_file: Some(own.path().join("access.log")),
        ..Sidecar::options(service, documents.path())
    }
}
