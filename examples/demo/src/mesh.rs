//! The processes of the demo: the shop's instances, a sidecar beside each, and one more sidecar
//! for the customers (`load`), so that every call of the demo crosses the mesh.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use outrider_examples::shop::Behaviour;
use tonic::transport::Uri;

use crate::control_plane::{ControlPlane, ControlPlaneCounts};
use crate::documents::{self, RouteWeights};
use crate::error::DemoError;
use crate::folder::Folder;
use crate::member::{Member, Role, Sidecar};
use crate::processes::Ports;

#[rustfmt::skip] // A table: one instance a line; callees first, as they are started.
const INSTANCES: [Role; 8] = [
    Role { name: "inventory",    service: "inventory",    program: Some("inventory") },
    Role { name: "inventory-v2", service: "inventory-v2", program: Some("inventory") },
    Role { name: "payments",     service: "payments",     program: Some("payments") },
    Role { name: "orders-1",     service: "orders",       program: Some("orders") },
    Role { name: "orders-2",     service: "orders",       program: Some("orders") },
    Role { name: "orders-3",     service: "orders",       program: Some("orders") },
    Role { name: "frontend",     service: "frontend",     program: Some("frontend") },
    Role { name: "load",         service: "load",         program: None },
];

/// All processes of the demo and the folder they share.
pub struct Mesh {
    // Before the folder: fields are dropped in order, and processes read files.
    members: Vec<Member>,
    control_plane: ControlPlane,
    folder: Folder,
    /// Of instances that were killed.
    late_work: Duration,
}

impl Mesh {
    /// Starts the control plane, makes a token for each service, then starts all instances; the
    /// sidecars export spans to `collector`, if there is one.
    ///
    /// # Errors
    /// When a file cannot be written or a process does not start.
    pub async fn start(collector: Option<Uri>) -> Result<Mesh, DemoError> {
        let mut ports = Ports::new();
        let mut control_plane = ControlPlane::new(&mut ports)?;
        let members = INSTANCES.iter().map(|role| Member::new(*role, &mut ports));
        let members = members.collect::<Result<Vec<_>, _>>()?;
        let folder = Folder::prepare(collector)
            .map_err(|error| DemoError::caused_by("cannot prepare the demo's folder", &error))?;
        control_plane.start(&folder).await?;
        let services: BTreeSet<_> = INSTANCES.iter().map(|role| role.service).collect();
        control_plane.make_tokens(&folder, services).await?;
        let mut mesh = Mesh {
            members,
            control_plane,
            folder,
            late_work: Duration::ZERO,
        };
        let url = mesh.control_plane.url();
        for member in &mut mesh.members {
            member.start(&mesh.folder, &url).await?;
        }
        Ok(mesh)
    }

    /// What the control plane has counted since its first start.
    pub async fn control_plane_counts(&mut self) -> ControlPlaneCounts {
        self.control_plane.look().await
    }

    /// Kills the control plane with -9.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn kill_control_plane(&mut self) -> Result<(), DemoError> {
        self.control_plane.kill().await
    }

    /// Starts the control plane again, at the addresses it had.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start_control_plane(&mut self) -> Result<(), DemoError> {
        self.control_plane.start(&self.folder).await
    }

    /// Stops the sidecar of one instance and starts it again; its application goes on.
    ///
    /// # Errors
    /// When it does not run, does not end, or does not become ready again.
    pub async fn restart_sidecar(&mut self, name: &str) -> Result<(), DemoError> {
        let url = self.control_plane.url();
        let mut members = self.members.iter_mut();
        let member = members.find(|member| member.role.name == name);
        let member = member.ok_or_else(|| unknown(name))?;
        member.restart_sidecar(&self.folder, &url).await
    }

    /// The running sidecars.
    pub fn sidecars(&self) -> Vec<Sidecar> {
        self.members.iter().filter_map(Member::sidecar).collect()
    }

    /// The sidecar of one instance.
    ///
    /// # Errors
    /// When it does not run.
    pub fn sidecar(&self, name: &str) -> Result<Sidecar, DemoError> {
        self.member(name)?.sidecar().ok_or_else(|| unknown(name))
    }

    /// The instance whose sidecar accepts calls at `address`, or the address itself.
    pub fn name_of(&self, address: SocketAddr) -> String {
        let member = self.members.iter().find(|member| member.inbound == address);
        member.map_or_else(|| address.to_string(), |member| member.role.name.to_owned())
    }

    /// Tells one instance of the shop how to behave.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn behave(&self, name: &str, behaviour: Behaviour) -> Result<(), DemoError> {
        self.member(name)?.behave(behaviour).await
    }

    /// Kills one instance and its sidecar with -9.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self, name: &str) -> Result<(), DemoError> {
        self.late_work += self.member(name)?.late_work().await?;
        let killed = self.member_mut(name)?.kill().await;
        killed.map_err(|error| DemoError::caused_by(&format!("cannot kill {name}"), &error))
    }

    /// Starts an instance and its sidecar again, at the addresses they had.
    ///
    /// # Errors
    /// When a process does not become ready.
    pub async fn restart(&mut self, name: &str) -> Result<(), DemoError> {
        let member = self
            .members
            .iter_mut()
            .find(|member| member.role.name == name);
        let url = self.control_plane.url();
        let member = member.ok_or_else(|| unknown(name))?;
        member.start(&self.folder, &url).await
    }

    /// Replaces the document that shares the calls to `inventory` between its two versions.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn weigh(&self, weights: RouteWeights) -> Result<(), DemoError> {
        documents::weigh(&self.folder.documents(), weights)
            .map_err(|error| DemoError::caused_by("cannot change a document", &error))
    }

    /// Time that all instances together have spent on calls after their callers' deadlines.
    ///
    /// # Errors
    /// When an instance does not answer.
    pub async fn late_work(&self) -> Result<Duration, DemoError> {
        let mut total = self.late_work;
        for member in &self.members {
            total += member.late_work().await?;
        }
        Ok(total)
    }

    /// Kills every process and waits until it is gone.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn stop(mut self) -> Result<(), DemoError> {
        for member in &mut self.members {
            let killed = member.kill().await;
            killed.map_err(|error| {
                DemoError::caused_by(&format!("cannot stop {}", member.role.name), &error)
            })?;
        }
        self.control_plane.kill().await
    }

    fn member(&self, name: &str) -> Result<&Member, DemoError> {
        self.members
            .iter()
            .find(|member| member.role.name == name)
            .ok_or_else(|| unknown(name))
    }

    fn member_mut(&mut self, name: &str) -> Result<&mut Member, DemoError> {
        self.members
            .iter_mut()
            .find(|member| member.role.name == name)
            .ok_or_else(|| unknown(name))
    }
}

fn unknown(name: &str) -> DemoError {
    DemoError::new(format!("{name} is not a running instance of the demo"))
}
