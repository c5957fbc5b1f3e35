//! The way of a call through one sidecar, or through two with mutual TLS between them.

use std::net::SocketAddr;
use std::path::Path;

use outrider_daemon::{Limits, Options};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::sidecar::{Sidecar, write_document, write_service_at};

/// How many sidecars a call passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// The service at the end of a way.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// Its name in the mesh.
    pub name: &'a str,
    /// Its gRPC services, with commas between.
    pub grpc_services: &'a str,
    /// Endpoints beside its application, where that has no sidecar.
    pub others: &'a [SocketAddr],
    /// Documents beside its own, YAML.
    pub documents: &'a str,
    /// What `--limits` says to both sidecars; empty: nothing.
    pub limits: &'a str,
}

/// The service of [`Way::start`].
const ORDERS: Served = Served {
    name: "orders",
    grpc_services: "shop.v1.Orders",
    others: &[],
    documents: "",
    limits: "",
};

/// A way from a caller to the application of a service. Ends when dropped.
#[derive(Debug)]
pub struct Way {
    /// The sidecar that the caller talks to.
    pub frontend: Sidecar,
    callee: Option<Sidecar>,
    _folders: [TempDir; 3],
}

impl Way {
    /// Starts the sidecars before the application of `orders` at `application`.
    ///
    /// # Panics
    /// If one does not start.
    pub async fn start(hops: Hops, application: SocketAddr) -> Way {
        Way::to(ORDERS, hops, application).await
    }

    /// The same before another service.
    ///
    /// # Panics
    /// If one does not start.
    pub async fn to(served: Served<'_>, hops: Hops, application: SocketAddr) -> Way {
        let folders = [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
        let documents = folders[0].path();
        if !served.documents.is_empty() {
            write_document(documents, "more.yaml", served.documents);
        }
        let mut options = Options {
            limits: served.limits(),
            // Calls that fail are what some tests are about.
            access_log_file: Some(folders[1].path().join("access.log")),
            ..Sidecar::options("frontend", documents)
        };
        let callee = match hops {
            Hops::One => {
                served.write(documents, "none", application);
                None
            }
            Hops::Pair => {
                let authority = Authority::new();
                options.identity = Some(authority.issue(folders[1].path(), "frontend"));
                Some(
                    start_callee(
                        served,
                        documents,
                        application,
                        (&authority, folders[2].path()),
                    )
                    .await,
                )
            }
        };
        let frontend = Sidecar::start(options).await.expect("frontend starts");
        Way {
            frontend,
            callee,
            _folders: folders,
        }
    }

    /// Where the caller connects to.
    pub fn address(&self) -> SocketAddr {
        self.frontend.addresses().outbound
    }

    /// The sidecar beside the application, if the way has one.
    pub fn callee(&self) -> Option<&Sidecar> {
        self.callee.as_ref()
    }
}

impl Served<'_> {
    fn limits(&self) -> Limits {
        match self.limits {
            "" => Limits::default(),
            limits => limits.parse().expect("limits of `--limits`"),
        }
    }

    fn write(&self, documents: &Path, tls: &str, address: SocketAddr) {
        let addresses = [&[address], self.others].concat();
        write_service_at(documents, self.name, self.grpc_services, tls, &addresses);
    }
}

/// The application's sidecar, written into the documents where it really is.
async fn start_callee(
    served: Served<'_>,
    documents: &Path,
    application: SocketAddr,
    (authority, folder): (&Authority, &Path),
) -> Sidecar {
    served.write(documents, "mesh", SocketAddr::from(([127, 0, 0, 1], 1)));
    let options = Options {
        limits: served.limits(),
        app: Some(application),
        identity: Some(authority.issue(folder, served.name)),
        access_log_file: Some(folder.join("access.log")),
        ..Sidecar::options(served.name, documents)
    };
    let callee = Sidecar::start(options).await;
    let callee = callee.expect("the application's sidecar starts");
    let inbound = callee.addresses().inbound;
    let inbound = inbound.expect("it has an application");
    served.write(documents, "mesh", inbound);
    callee
}
