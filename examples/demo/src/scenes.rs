//! The scenes of the demo: what happens to the shop, and how it is undone.

use std::time::Duration;

use outrider_examples::shop::Behaviour;

use crate::error::DemoError;
use crate::{documents::RouteWeights, load::CallKind, mesh::Mesh};

/// Deadline of calls that are expected to succeed.
const PATIENT: Duration = Duration::from_secs(5);
/// Deadline of a checkout while `payments` sleeps longer than that.
const SHORT: Duration = Duration::from_millis(200);
/// How long `payments` sleeps then. Milliseconds.
const SLEEP_MS: u32 = 1_000;
/// What a slow instance adds to every answer. Milliseconds.
const SLOW_MS: u32 = 300;

/// A scene of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scene {
    /// Nothing is wrong.
    AllWell,
    /// `orders-2` answers 300 ms late.
    SlowInstance,
    /// `orders-1` answers UNAVAILABLE: another one, as balancing still avoids the one that was slow.
    FailingInstance,
    /// `orders-3` and its sidecar are killed with -9; half of the scene later they are restarted.
    KilledInstance,
    /// `payments` sleeps for 1 s when charged; checkouts have a deadline of 200 ms.
    ShortDeadline,
    /// A document gives `inventory-v2` half of the calls to `inventory`.
    ShiftedWeights,
    /// The control plane is killed with -9; half of the scene later it is restarted.
    ControlPlaneKilled,
    /// The control plane is killed, and meanwhile the sidecar of `orders-2` is stopped and started
    /// again; half of the scene later the control plane is back.
    SidecarRestarted,
}

impl Scene {
    /// All scenes in the order in which they are played.
    pub const ALL: [Scene; 8] = [
        Scene::AllWell,
        Scene::SlowInstance,
        Scene::FailingInstance,
        Scene::KilledInstance,
        Scene::ShortDeadline,
        Scene::ShiftedWeights,
        Scene::ControlPlaneKilled,
        Scene::SidecarRestarted,
    ];

    /// The scenes in which the control plane is down for a while.
    pub const OUTAGES: [Scene; 2] = [Scene::ControlPlaneKilled, Scene::SidecarRestarted];

    /// Name of the scene in tables and reports.
    pub fn title(self) -> &'static str {
        match self {
            Scene::AllWell => "all well",
            Scene::SlowInstance => "one instance is slow",
            Scene::FailingInstance => "one answers UNAVAILABLE",
            Scene::KilledInstance => "one is killed with -9",
            Scene::ShortDeadline => "200 ms meet a 1 s sleep",
            Scene::ShiftedWeights => "a document shifts weights",
            Scene::ControlPlaneKilled => "control plane killed",
            Scene::SidecarRestarted => "... and a sidecar restarts",
        }
    }

    /// How much time the customers give a call.
    pub fn deadline(self, kind: CallKind) -> Duration {
        match (self, kind) {
            (Scene::ShortDeadline, CallKind::Checkout) => SHORT,
            _ => PATIENT,
        }
    }

    /// Injects the fault of the scene.
    ///
    /// # Errors
    /// When a process does not start, stop or answer.
    pub async fn begin(self, mesh: &mut Mesh) -> Result<(), DemoError> {
        match self {
            Scene::AllWell => Ok(()),
            Scene::SlowInstance => mesh.behave("orders-2", slow(SLOW_MS, "")).await,
            Scene::FailingInstance => {
                let failing = Behaviour {
                    unavailable: true,
                    ..Behaviour::default()
                };
                mesh.behave("orders-1", failing).await
            }
            Scene::KilledInstance => mesh.kill("orders-3").await,
            Scene::ShortDeadline => mesh.behave("payments", slow(SLEEP_MS, "Charge")).await,
            Scene::ShiftedWeights => mesh.weigh(RouteWeights { old: 50, new: 50 }),
            Scene::ControlPlaneKilled => mesh.kill_control_plane().await,
            Scene::SidecarRestarted => {
                mesh.kill_control_plane().await?;
                mesh.restart_sidecar("orders-2").await
            }
        }
    }

    /// Runs after half of the scene: restarts what was killed.
    ///
    /// # Errors
    /// When a process does not start, stop or answer.
    pub async fn turn(self, mesh: &mut Mesh) -> Result<(), DemoError> {
        match self {
            Scene::KilledInstance => mesh.restart("orders-3").await,
            Scene::ControlPlaneKilled | Scene::SidecarRestarted => mesh.start_control_plane().await,
            Scene::AllWell
            | Scene::SlowInstance
            | Scene::FailingInstance
            | Scene::ShortDeadline
            | Scene::ShiftedWeights => Ok(()),
        }
    }

    /// Removes the fault of the scene.
    ///
    /// # Errors
    /// When a process does not start, stop or answer.
    pub async fn end(self, mesh: &mut Mesh) -> Result<(), DemoError> {
        match self {
            Scene::SlowInstance => mesh.behave("orders-2", Behaviour::default()).await,
            Scene::FailingInstance => mesh.behave("orders-1", Behaviour::default()).await,
            Scene::ShortDeadline => mesh.behave("payments", Behaviour::default()).await,
            Scene::AllWell
            | Scene::KilledInstance
            | Scene::ShiftedWeights
            | Scene::ControlPlaneKilled
            | Scene::SidecarRestarted => Ok(()),
        }
    }
}

fn slow(delay_ms: u32, only_method: &str) -> Behaviour {
    Behaviour {
        delay_ms,
        only_method: only_method.to_owned(),
        unavailable: false,
    }
}
