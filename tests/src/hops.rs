//! The way of a call through one sidecar, or through two with mutual TLS between them.

use std::net::SocketAddr;
use std::path::Path;

use outrider_daemon::Options;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::sidecar::{Sidecar, write_service};

/// How many sidecars a call passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hops {
    /// The caller's, which reaches the application in plaintext.
    One,
    /// The caller's and the application's, mutual TLS between them.
    Pair,
}

impl Hops {
    /// Both ways.
    pub const ALL: [Hops; 2] = [Hops::One, Hops::Pair];

    /// The number of sidecars.
    pub fn count(self) -> usize {
        match self {
            Hops::One => 1,
            Hops::Pair => 2,
        }
    }
}

/// A way from a caller to the application of `orders`. Ends when dropped.
#[derive(Debug)]
pub struct Way {
    /// The sidecar that the caller talks to.
    pub frontend: Sidecar,
    orders: Option<Sidecar>,
    _folders: [TempDir; 3],
}

impl Way {
    /// Starts the sidecars before the application at `application`.
    ///
    /// # Panics
    /// If one does not start.
    pub async fn start(hops: Hops, application: SocketAddr) -> Way {
        let folders = [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
        let documents = folders[0].path();
        let mut options = Options {
            // Calls that fail are what some tests are about.
            access_log_file: Some(folders[1].path().join("access.log")),
            ..Sidecar::options("frontend", documents)
        };
        let orders = match hops {
            Hops::One => {
                write_service(documents, "orders", "none", &application.to_string());
                None
            }
            Hops::Pair => {
                let authority = Authority::new();
                options.identity = Some(authority.issue(folders[1].path(), "frontend"));
                Some(start_orders(documents, application, &authority, folders[2].path()).await)
            }
        };
        let frontend = Sidecar::start(options).await.expect("frontend starts");
        Way {
            frontend,
            orders,
            _folders: folders,
        }
    }

    /// Where the caller connects to.
    pub fn address(&self) -> SocketAddr {
        self.frontend.addresses().outbound
    }

    /// The sidecar beside the application, if the way has one.
    pub fn orders(&self) -> Option<&Sidecar> {
        self.orders.as_ref()
    }
}

/// The application's sidecar, written into the documents where it really is.
async fn start_orders(
    documents: &Path,
    application: SocketAddr,
    authority: &Authority,
    folder: &Path,
) -> Sidecar {
    write_service(documents, "orders", "mesh", "127.0.0.1:1");
    let options = Options {
        app: Some(application),
        identity: Some(authority.issue(folder, "orders")),
        access_log_file: Some(folder.join("access.log")),
        ..Sidecar::options("orders", documents)
    };
    let orders = Sidecar::start(options).await.expect("orders starts");
    let inbound = orders.addresses().inbound;
    let inbound = inbound.expect("orders has an application");
    write_service(documents, "orders", "mesh", &inbound.to_string());
    orders
}
