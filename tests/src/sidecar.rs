//! A sidecar inside the test's process, on real sockets of 127.0.0.1.

use std::fmt::Display;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use outrider_daemon::{Addresses, Options, Running, StartupError};

use crate::admin::Admin;

/// A running sidecar. Stops at once when dropped.
#[derive(Debug)]
pub struct Sidecar {
    running: Option<Running>,
}

impl Sidecar {
    /// Options on free ports for `service`, configured by `documents`.
    pub fn options(service: &str, documents: &Path) -> Options {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Options {
            outbound: free,
            inbound: free,
            admin: free,
            ..Options::new(service, documents)
        }
    }

    /// Starts a sidecar and waits until it serves.
    ///
    /// # Errors
    /// What `outrider_daemon::start` says.
    pub async fn start(options: Options) -> Result<Sidecar, StartupError> {
        let started = tokio::task::spawn_blocking(|| outrider_daemon::start(options)).await;
        let running = started.expect("the start does not panic")?;
        Ok(Sidecar {
            running: Some(running),
        })
    }

    /// The addresses in use.
    pub fn addresses(&self) -> Addresses {
        self.running
            .as_ref()
            .map(Running::addresses)
            .expect("it runs until `join`")
    }

    /// Its admin pages.
    pub fn admin(&self) -> Admin {
        Admin::new(self.addresses().admin)
    }

    /// What SIGTERM does.
    pub fn stop(&self) {
        if let Some(running) = &self.running {
            running.stop();
        }
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// What made it end, other than a stop.
    pub async fn join(mut self) -> Result<(), StartupError> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        let ended = tokio::task::spawn_blocking(|| running.join()).await;
        ended.expect("joining does not panic")
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // Twice: drain, and do not wait for it.
        self.stop();
        self.stop();
    }
}

/// Puts a document into a folder as an editor does: written aside, then renamed into place.
pub fn write_document(folder: &Path, name: &str, text: &str) {
    let aside = folder.join(format!(".{name}.new"));
    fs::write(&aside, text).expect("a file is written");
    fs::rename(aside, folder.join(name)).expect("a file is renamed");
}

/// Puts the document of a service with one endpoint into a folder; `tls` is `mesh` or `none`.
/// Its gRPC service is `shop.v1.Orders`.
pub fn write_service(folder: &Path, name: &str, tls: &str, address: &str) {
    write_service_of(folder, name, "shop.v1.Orders", tls, address);
}

/// The same in plaintext, and without a gRPC service.
pub fn write_plain_service(folder: &Path, name: &str, address: SocketAddr) {
    write_service_of(folder, name, "", "none", &address.to_string());
}

/// The same with `grpc_services`, a list with commas between.
pub fn write_service_of(folder: &Path, name: &str, grpc_services: &str, tls: &str, address: &str) {
    write_service_at(folder, name, grpc_services, tls, &[address]);
}

/// The same with several endpoints.
pub(crate) fn write_service_at(
    folder: &Path,
    name: &str,
    grpc_services: &str,
    tls: &str,
    addresses: &[impl Display],
) {
    let endpoint = |address| format!("{{ address: \"{address}\" }}");
    let endpoints: Vec<String> = addresses.iter().map(endpoint).collect();
    let endpoints = endpoints.join(", ");
    let text = format!(
        "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec:\n  \
         grpcServices: [{grpc_services}]\n  tls: {tls}\n  \
         endpoints: {{ static: [ {endpoints} ] }}\n"
    );
    write_document(folder, &format!("{name}.yaml"), &text);
}
