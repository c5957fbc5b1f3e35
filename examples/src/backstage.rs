//! One running instance: who it is, how it has been told to behave, what it has seen.
//!
//! The `Backstage` service is called directly, never through a mesh, to rehearse
//! failures. Without such a call an instance just works.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use tokio::sync::watch;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use crate::call::Call;
use crate::shop::{Behaviour, ReportRequest, Seen, backstage_server::Backstage};

/// One running instance of a service.
pub struct Instance {
    /// Its name, which it puts into its answers.
    pub name: String,
    behaviour: watch::Sender<Behaviour>,
    calls: AtomicU64,
    late_work_us: AtomicU64,
}

impl Instance {
    /// A well-behaved instance that has seen nothing yet.
    pub fn new(name: String) -> Arc<Instance> {
        Arc::new(Instance {
            name,
            behaviour: watch::Sender::new(Behaviour::default()),
            calls: AtomicU64::new(0),
            late_work_us: AtomicU64::new(0),
        })
    }

    /// Begins the work on an incoming call of `method`, as slowly as this instance has been told to.
    ///
    /// # Errors
    /// UNAVAILABLE if this instance has been told to fail.
    pub async fn admit(
        self: &Arc<Self>,
        method: &str,
        caller: &MetadataMap,
    ) -> Result<Call, Status> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let call = Call::new(self.clone(), caller);
        let behaviour = self.behaviour_for(method);
        if behaviour.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(behaviour.delay_ms.into())).await;
        }
        if behaviour.unavailable {
            return Err(Status::unavailable(format!(
                "{} has been told to fail",
                self.name
            )));
        }
        Ok(call)
    }

    /// What this instance has seen since its start.
    pub fn seen(&self) -> Seen {
        Seen {
            calls: self.calls.load(Ordering::Relaxed),
            late_work_us: self.late_work_us.load(Ordering::Relaxed),
        }
    }

    /// Told that a call went on for `late` after its deadline.
    pub(crate) fn record_late(&self, late: Duration) {
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.late_work_us.fetch_add(late_us, Ordering::Relaxed);
    }

    fn behaviour_for(&self, method: &str) -> Behaviour {
        let behaviour = self.behaviour.borrow();
        if behaviour.only_method.is_empty() || behaviour.only_method == method {
            behaviour.clone()
        } else {
            Behaviour::default()
        }
    }
}

#[tonic::async_trait]
impl Backstage for Instance {
    async fn behave(&self, request: Request<Behaviour>) -> Result<Response<Seen>, Status> {
        self.behaviour.send_replace(request.into_inner());
        Ok(Response::new(self.seen()))
    }

    async fn report(&self, _: Request<ReportRequest>) -> Result<Response<Seen>, Status> {
        Ok(Response::new(self.seen()))
    }
}
