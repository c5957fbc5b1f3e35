//! The demo's control plane: a process that is killed and comes back at the address it had.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::error::DemoError;
use crate::folder::Folder;
use crate::observe::{self, Observer};
use crate::processes::{self, Ports, Process};

/// The control plane, running or not.
pub struct ControlPlane {
    listen: SocketAddr,
    admin: SocketAddr,
    process: Option<Process>,
    observer: Observer,
    /// Counted by processes that are gone.
    before: ControlPlaneCounts,
    /// Counted by the one that runs, when it was last asked.
    now: ControlPlaneCounts,
}

/// What the control plane has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlPlaneCounts {
    /// Configurations that it has published: each change of documents or endpoints makes one.
    pub config_versions: u64,
    /// Certificates that it has signed for sidecars.
    pub certificates_issued: u64,
}

impl ControlPlane {
    /// One that does not run yet.
    ///
    /// # Errors
    /// When there are no free ports.
    pub fn new(ports: &mut Ports) -> Result<ControlPlane, DemoError> {
        Ok(ControlPlane {
            listen: ports.free()?,
            admin: ports.free()?,
            process: None,
            observer: Observer::new(),
            before: ControlPlaneCounts::default(),
            now: ControlPlaneCounts::default(),
        })
    }

    /// Where sidecars find it.
    pub fn url(&self) -> String {
        format!("https://{}", self.listen)
    }

    /// Starts it, with what it kept from earlier starts.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start(&mut self, folder: &Folder) -> Result<(), DemoError> {
        let mut flags = vec!["control-plane".to_owned(), "--exit-with-stdin".to_owned()];
        let mut flag = |name: &str, value: String| flags.extend([name.to_owned(), value]);
        flag("--documents", folder.documents().display().to_string());
        flag("--data", folder.data("control-plane").display().to_string());
        flag("--listen", self.listen.to_string());
        flag("--admin", self.admin.to_string());
        let log = folder.log("control-plane", "process");
        let (process, _) = Process::start("the control plane", &flags, &[], &log).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Makes a token for each of `services`, good for the whole demo.
    ///
    /// # Errors
    /// When the control plane refuses.
    pub async fn make_tokens(
        &self,
        folder: &Folder,
        services: BTreeSet<&'static str>,
    ) -> Result<(), DemoError> {
        let credential = folder.data("control-plane").join("operator");
        let mut words = vec!["token".to_owned(), "create".to_owned()];
        let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
        for service in services {
            flag("--service", service.to_owned());
        }
        flag("--out", folder.tokens().display().to_string());
        flag("--control-plane", self.url());
        flag("--credential", credential.display().to_string());
        processes::run("outrider token", &words, &folder.log("token", "command")).await
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn kill(&mut self) -> Result<(), DemoError> {
        // What a killed process has counted would be lost.
        self.look().await;
        if let Some(mut process) = self.process.take() {
            let killed = process.kill().await;
            killed
                .map_err(|error| DemoError::caused_by("cannot kill the control plane", &error))?;
        }
        self.before = self.total();
        self.now = ControlPlaneCounts::default();
        Ok(())
    }

    /// What it has counted since its first start.
    pub async fn look(&mut self) -> ControlPlaneCounts {
        if self.process.is_some()
            && let Some(page) = self.observer.fetch(self.admin, "/metrics").await
        {
            self.now = count(&page);
        }
        self.total()
    }

    fn total(&self) -> ControlPlaneCounts {
        ControlPlaneCounts {
            config_versions: self.before.config_versions + self.now.config_versions,
            certificates_issued: self.before.certificates_issued + self.now.certificates_issued,
        }
    }
}

/// The counts in a page of metrics; their names are explained in `docs/METRICS.md`.
fn count(page: &str) -> ControlPlaneCounts {
    ControlPlaneCounts {
        config_versions: observe::sum(page, "outrider_control_plane_publications_total", &[]),
        certificates_issued: observe::sum(
            page,
            "outrider_control_plane_certificates_issued_total",
            &[],
        ),
    }
}
