//! One instance of the shop and the sidecar beside it: two processes that live and die together.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use outrider_examples::shop::{Behaviour, ReportRequest, backstage_client::BackstageClient};
use serde::Deserialize;
use tonic::{Status, transport::Channel, transport::Uri};

use crate::error::DemoError;
use crate::folder::Folder;
use crate::processes::{Ports, Process};

/// What an instance is.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Its name, such as `orders-2`.
    pub name: &'static str,
    /// Its service in the mesh.
    pub service: &'static str,
    /// The shop's program it runs; without one it only makes calls.
    pub program: Option<&'static str>,
}

/// One instance and the sidecar beside it. Both keep their addresses over restarts.
pub struct Member {
    /// What it is.
    pub role: Role,
    /// Where its sidecar accepts calls.
    pub inbound: SocketAddr,
    outbound: SocketAddr,
    app: SocketAddr,
    starts: u32,
    running: Option<Running>,
}

struct Running {
    sidecar: Process,
    application: Option<Process>,
    ready: Ready,
}

/// The ready line of a sidecar.
#[derive(Clone, Copy, Deserialize)]
struct Ready {
    outbound: SocketAddr,
    admin: SocketAddr,
}

/// One running sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// Name of the instance it stands beside.
    pub name: &'static str,
    /// Counts the starts of that instance: together with the name it tells processes apart.
    pub start: u32,
    /// Where it accepts the instance's own calls.
    pub outbound: SocketAddr,
    /// Its admin listener.
    pub admin: SocketAddr,
}

impl Member {
    /// An instance that does not run yet.
    ///
    /// # Errors
    /// When there are no free ports.
    pub fn new(role: Role, ports: &mut Ports) -> Result<Member, DemoError> {
        let (app, inbound, outbound) = (ports.free()?, ports.free()?, ports.free()?);
        Ok(Member {
            role,
            outbound,
            app,
            inbound,
            starts: 0,
            running: None,
        })
    }

    /// Its sidecar, if it runs.
    pub fn sidecar(&self) -> Option<Sidecar> {
        let Ready { outbound, admin } = self.running.as_ref()?.ready;
        Some(Sidecar {
            name: self.role.name,
            start: self.starts,
            outbound,
            admin,
        })
    }

    /// Starts the sidecar, then the application: the sidecar says where the application finds
    /// everything it calls.
    ///
    /// # Errors
    /// When one of them does not become ready.
    pub async fn start(&mut self, folder: &Folder, control_plane: &str) -> Result<(), DemoError> {
        let (sidecar, ready) = self.start_sidecar(folder, control_plane).await?;
        let log = folder.log(self.role.name, "application");
        let application = match self.role.program {
            Some(program) => Some(self.start_application(program, ready, &log).await?),
            None => None,
        };
        self.starts += 1;
        self.running = Some(Running {
            sidecar,
            application,
            ready,
        });
        Ok(())
    }

    /// Stops the sidecar as an operator would (SIGTERM), waits for its end and starts it again;
    /// the application goes on.
    ///
    /// # Errors
    /// When it does not run, does not end, or does not become ready again.
    pub async fn restart_sidecar(
        &mut self,
        folder: &Folder,
        control_plane: &str,
    ) -> Result<(), DemoError> {
        let name = self.role.name;
        let Some(mut running) = self.running.take() else {
            return Err(DemoError::new(format!("{name} does not run")));
        };
        let stopped = running.sidecar.stop().await;
        stopped.map_err(|error| DemoError::caused_by(&format!("cannot stop {name}"), &error))?;
        let (sidecar, ready) = self.start_sidecar(folder, control_plane).await?;
        self.starts += 1;
        self.running = Some(Running {
            sidecar,
            ready,
            ..running
        });
        Ok(())
    }

    /// Kills both processes with -9, the application first, and waits until they are gone.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn kill(&mut self) -> io::Result<()> {
        let Some(Running {
            mut sidecar,
            application,
            ..
        }) = self.running.take()
        else {
            return Ok(());
        };
        if let Some(mut application) = application {
            application.kill().await?;
        }
        sidecar.kill().await
    }

    /// Tells the application how to behave.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn behave(&self, behaviour: Behaviour) -> Result<(), DemoError> {
        let told = self.backstage().behave(behaviour).await;
        told.map(|_| ()).map_err(|status| self.silent(&status))
    }

    /// Time that the application has spent on calls after their callers' deadlines.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn late_work(&self) -> Result<Duration, DemoError> {
        if self.role.program.is_none() {
            return Ok(Duration::ZERO);
        }
        let seen = self.backstage().report(ReportRequest {}).await;
        let seen = seen.map_err(|status| self.silent(&status))?.into_inner();
        Ok(Duration::from_micros(seen.late_work_us))
    }

    async fn start_sidecar(
        &self,
        folder: &Folder,
        control_plane: &str,
    ) -> Result<(Process, Ready), DemoError> {
        let name = format!("the sidecar of {}", self.role.name);
        let log = folder.log(self.role.name, "sidecar");
        let flags = self.flags(folder, control_plane);
        let (sidecar, line) = Process::start(&name, &flags, &[], &log).await?;
        let ready = serde_json::from_str(&line)
            .map_err(|error| DemoError::caused_by(&format!("{name} said {line:?}"), &error))?;
        Ok((sidecar, ready))
    }

    async fn start_application(
        &self,
        program: &str,
        ready: Ready,
        log: &Path,
    ) -> Result<Process, DemoError> {
        let arguments = ["demo-service", "--exit-with-stdin", program].map(str::to_owned);
        let variables = [
            ("SHOP_NAME", self.role.name.to_owned()),
            ("SHOP_LISTEN", self.app.to_string()),
            ("SHOP_UPSTREAM", ready.outbound.to_string()),
        ];
        let (process, _) = Process::start(self.role.name, &arguments, &variables, log).await?;
        Ok(process)
    }

    /// The flags of the sidecar: its service, a token and the address of the control plane, which
    /// sends it all other configuration.
    fn flags(&self, folder: &Folder, control_plane: &str) -> Vec<String> {
        let Role { name, service, .. } = self.role;
        let mut flags = vec!["sidecar".to_owned(), "--exit-with-stdin".to_owned()];
        let mut flag = |name: &str, value: String| flags.extend([name.to_owned(), value]);
        flag("--service", service.to_owned());
        flag("--control-plane", control_plane.to_owned());
        flag(
            "--token-file",
            folder.tokens().join(service).display().to_string(),
        );
        flag("--data", folder.data(name).display().to_string());
        flag("--outbound", self.outbound.to_string());
        flag("--inbound", self.inbound.to_string());
        flag("--admin", "127.0.0.1:0".to_owned());
        // Its application stays connected while it is restarted, so it takes all of this time.
        flag("--drain", "3".to_owned());
        if self.role.program.is_some() {
            flag("--app", self.app.to_string());
        }
        if let Some(collector) = &folder.collector {
            flag("--otlp", collector.to_string());
        }
        flags
    }

    /// Connects directly, not through the mesh, so that an instance that fails can be reached too.
    fn backstage(&self) -> BackstageClient<Channel> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(self.app.to_string())
            .path_and_query("/");
        // An address with a port always makes a URI.
        BackstageClient::new(Channel::builder(uri.build().unwrap_or_default()).connect_lazy())
    }

    fn silent(&self, status: &Status) -> DemoError {
        DemoError::caused_by(
            &format!("{} does not answer backstage", self.role.name),
            status,
        )
    }
}
