//! A mesh of real processes on this machine: a control plane, instances of the shop's
//! `inventory`, and sidecars that only call.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::{fs, io};

use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::Instant;

use super::child::{self, Child};

/// What is measured on.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Instances of the services `inventory-1`, `inventory-2`, ...
    pub services: usize,
    /// Instances of each.
    pub instances: usize,
    /// Sidecars that only call.
    pub callers: usize,
    /// Life of certificates. Seconds.
    pub certificate_life_s: u32,
}

/// The processes and their folder.
pub struct World {
    pub instances: Vec<Instance>,
    pub callers: Vec<Caller>,
    pub control_plane: ControlPlane,
    folder: TempDir,
}

/// The control plane, running or not, always at the same address.
pub struct ControlPlane {
    listen: SocketAddr,
    certificate_life_s: u32,
    process: Option<Child>,
}

/// An instance of a service: application and sidecar.
pub struct Instance {
    pub name: String,
    pub service: String,
    pub application: Child,
    pub sidecar: Child,
    pub listen: SocketAddr,
    pub inbound: SocketAddr,
}

/// A sidecar that only calls.
pub struct Caller {
    pub name: String,
    pub sidecar: Child,
    pub ready: Ready,
}

/// What a sidecar says when it is ready.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Ready {
    pub outbound: SocketAddr,
    pub admin: SocketAddr,
}

impl World {
    /// Starts all of it.
    ///
    /// # Errors
    /// A process does not start; its log says why.
    pub async fn start(setup: Setup) -> io::Result<World> {
        let folder = tempfile::Builder::new()
            .prefix("outrider-bench-")
            .tempdir()?;
        let mut control_plane = ControlPlane {
            listen: free_port()?,
            certificate_life_s: setup.certificate_life_s,
            process: None,
        };
        control_plane.start(folder.path()).await?;
        let mut world = World {
            instances: Vec::new(),
            callers: Vec::new(),
            control_plane,
            folder,
        };
        world.populate(setup).await?;
        Ok(world)
    }

    async fn populate(&mut self, setup: Setup) -> io::Result<()> {
        let services: Vec<String> = (1..=setup.services).map(service).collect();
        self.make_tokens(&services).await?;
        self.apply("services", &documents(&services)).await?;
        for service in &services {
            for number in 1..=setup.instances {
                let instance = self.start_instance(service, number).await?;
                self.instances.push(instance);
            }
        }
        for number in 1..=setup.callers {
            let name = format!("caller-{number}");
            let (sidecar, ready) = self.start_caller(&name).await?;
            self.callers.push(Caller {
                name,
                sidecar,
                ready,
            });
        }
        Ok(())
    }

    /// Starts the sidecar of a caller, also again.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_caller(&self, name: &str) -> io::Result<(Child, Ready)> {
        let flags = self.flags("caller", name);
        let log = self.file(&format!("{name}.log"));
        let (sidecar, line) = Child::start(&flags, &[], &log).await?;
        Ok((sidecar, serde_json::from_str(&line)?))
    }

    /// Stops the sidecar of an instance, as an operator would, and starts it again.
    ///
    /// # Errors
    /// It does not end, or does not start.
    pub async fn restart_instance(&mut self, index: usize) -> io::Result<()> {
        self.instances[index].sidecar.stop().await?;
        let Instance {
            name,
            service,
            listen,
            inbound,
            ..
        } = &self.instances[index];
        let sidecar = self.start_beside(service, name, *listen, *inbound).await?;
        self.instances[index].sidecar = sidecar;
        Ok(())
    }

    /// Starts the application of an instance again, which has ended; gives when it listened.
    ///
    /// # Errors
    /// It does not start.
    pub async fn restart_application(&mut self, index: usize) -> io::Result<Instant> {
        let Instance {
            name,
            service,
            listen,
            ..
        } = &self.instances[index];
        let application = self.start_application(service, name, *listen).await?;
        let listens = Instant::now();
        self.instances[index].application = application;
        Ok(listens)
    }

    async fn start_application(
        &self,
        service: &str,
        name: &str,
        listen: SocketAddr,
    ) -> io::Result<Child> {
        let variables = [
            ("SHOP_NAME", service.to_owned()),
            ("SHOP_LISTEN", listen.to_string()),
        ];
        let program = ["demo-service", "--exit-with-stdin", "inventory"].map(str::to_owned);
        let log = self.file(&format!("{name}-application.log"));
        let (application, _) = Child::start(&program, &variables, &log).await?;
        Ok(application)
    }

    async fn start_beside(
        &self,
        service: &str,
        name: &str,
        listen: SocketAddr,
        inbound: SocketAddr,
    ) -> io::Result<Child> {
        let mut flags = self.flags(service, name);
        flags.extend(["--app".to_owned(), listen.to_string()]);
        flags.extend(["--inbound".to_owned(), inbound.to_string()]);
        let log = self.file(&format!("{name}-sidecar.log"));
        let (sidecar, _) = Child::start(&flags, &[], &log).await?;
        Ok(sidecar)
    }

    async fn start_instance(&self, service: &str, number: usize) -> io::Result<Instance> {
        let name = format!("{service}-{number}");
        let listen = free_port()?;
        let application = self.start_application(service, &name, listen).await?;
        let inbound = free_port()?;
        let sidecar = self.start_beside(service, &name, listen, inbound).await?;
        Ok(Instance {
            name,
            service: service.to_owned(),
            application,
            sidecar,
            listen,
            inbound,
        })
    }

    fn flags(&self, service: &str, name: &str) -> Vec<String> {
        let flags = [
            ("--service", service.to_owned()),
            ("--control-plane", self.control_plane.url()),
            ("--token-file", shown(&self.file("tokens").join(service))),
            ("--data", shown(&self.file(&format!("{name}-data")))),
            ("--outbound", "127.0.0.1:0".to_owned()),
            ("--admin", "127.0.0.1:0".to_owned()),
            ("--access-log", "all".to_owned()),
            ("--access-log-file", shown(&self.access_log(name))),
        ];
        let flags = flags.into_iter();
        let words = flags.flat_map(|(name, value)| [name.to_owned(), value]);
        ["sidecar".to_owned()].into_iter().chain(words).collect()
    }

    async fn make_tokens(&self, services: &[String]) -> io::Result<()> {
        fs::create_dir(self.file("tokens"))?;
        let mut arguments = vec!["token".to_owned(), "create".to_owned()];
        for service in services.iter().map(String::as_str).chain(["caller"]) {
            arguments.extend(["--service".to_owned(), service.to_owned()]);
        }
        arguments.extend(["--out".to_owned(), shown(&self.file("tokens"))]);
        self.operate(arguments).await
    }

    /// Applies documents and returns when the control plane has acknowledged them.
    ///
    /// # Errors
    /// They were refused.
    pub async fn apply(&self, name: &str, text: &str) -> io::Result<()> {
        let file = self.file(&format!("{name}.yaml"));
        fs::write(&file, text)?;
        self.operate(vec!["apply".to_owned(), "-f".to_owned(), shown(&file)])
            .await
    }

    async fn operate(&self, mut arguments: Vec<String>) -> io::Result<()> {
        let credential = self.file("control-plane").join("operator");
        arguments.extend(["--control-plane".to_owned(), self.control_plane.url()]);
        arguments.extend(["--credential".to_owned(), shown(&credential)]);
        child::run(&arguments, &self.file("operator.log")).await
    }

    /// Returns when a sidecar has written its last good configuration to its folder.
    ///
    /// # Errors
    /// It never does.
    pub async fn until_stored(&self, name: &str) -> io::Result<()> {
        let file = self.file(&format!("{name}-data")).join("configuration");
        for _ in 0..500 {
            if file.exists() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Err(io::Error::other(format!(
            "{} never appears",
            file.display()
        )))
    }

    /// Where a sidecar writes a line for each of its calls.
    pub fn access_log(&self, name: &str) -> PathBuf {
        self.file(&format!("{name}-access.log"))
    }

    /// Starts the control plane again.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_control_plane(&mut self) -> io::Result<()> {
        self.control_plane.start(self.folder.path()).await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl ControlPlane {
    fn url(&self) -> String {
        format!("https://{}", self.listen)
    }

    async fn start(&mut self, folder: &Path) -> io::Result<()> {
        let flags = [
            ("--data", shown(&folder.join("control-plane"))),
            ("--listen", self.listen.to_string()),
            ("--admin", "127.0.0.1:0".to_owned()),
            ("--certificate-life", self.certificate_life_s.to_string()),
        ];
        let words = flags.into_iter();
        let words = words.flat_map(|(name, value)| [name.to_owned(), value]);
        let arguments: Vec<_> = ["control-plane".to_owned()]
            .into_iter()
            .chain(words)
            .collect();
        let log = folder.join("control-plane.log");
        let (process, _) = Child::start(&arguments, &[], &log).await?;
        self.process = Some(process);
        Ok(())
    }

    /// kill -9.
    ///
    /// # Errors
    /// What the system says.
    pub async fn kill(&mut self) -> io::Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }
}

/// The name of the service of that number.
pub fn service(number: usize) -> String {
    format!("inventory-{number}")
}

/// The first service lists the shop's gRPC service; the others are reached by its routes.
fn documents(services: &[String]) -> String {
    let describe = |(index, name): (usize, &String)| {
        let grpc = if index == 0 {
            "  grpcServices: [shop.v1.Inventory]\n"
        } else {
            ""
        };
        let policy = if index == 0 { POLICY } else { "" };
        format!(
            "---\napiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec:\n{grpc}  endpoints: {{ registered: {{}} }}\n{policy}"
        )
    };
    services.iter().enumerate().map(describe).collect()
}

const POLICY: &str = "---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: { name: inventory-1 }
spec:
  targetRefs: [ { kind: Service, name: inventory-1 } ]
  methods:
    - { name: shop.v1.Inventory/Look, unary: true, idempotent: true }
";

/// A route that leads all calls to the service of that number.
pub fn route_to(number: usize) -> String {
    let name = service(number);
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {{ name: inventory }}
spec:
  parentRefs: [ {{ group: outrider.dev, kind: Service, name: inventory-1 }} ]
  rules:
    - backendRefs: [ {{ group: outrider.dev, kind: Service, name: {name} }} ]
"
    )
}

/// A port that nobody listens on, below those that Linux gives to outgoing connections; each once.
fn free_port() -> io::Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let mut ports = std::iter::from_fn(|| Some(NEXT.fetch_add(1, Relaxed)));
    let mut addresses = ports
        .by_ref()
        .take_while(|port| *port < 32_000)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let free = addresses.find(|address| TcpListener::bind(address).is_ok());
    free.ok_or_else(|| io::Error::other("no port is free between 20000 and 32000"))
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
