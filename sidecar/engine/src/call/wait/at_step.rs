//! A wait at a step of admission: for a time, or for a service that is not known yet.
//!
//! The call takes its place on the worker, so that its deadline, its caller and a drain can end it, and goes on
//! with the steps when the wait is over. Until it has passed all of them, it is no call in flight of its cluster.

use super::Missing;
use super::Waited;
use crate::call::Call;
use crate::call::steps::deadline;
use crate::engine::Engine;
use crate::ids::CallId;
use crate::refusal::Refusal;

impl Engine {
    /// A step lets the call wait.
    pub(in crate::call) fn wait_at_step(&mut self, mut call: Box<Call>, missing: Missing) {
        if let Err(refusal) = self.check_wait_at_step(&mut call, &missing) {
            return self.refuse(call, refusal);
        }
        let id = self.insert_call(call);
        self.ticket(id);
        self.begin_wait(id, missing);
    }

    /// Every wait has the call's deadline, and is one of a limited number.
    fn check_wait_at_step(&mut self, call: &mut Call, missing: &Missing) -> Result<(), Refusal> {
        if call.deadline.is_none() {
            // The step `Deadline` may be behind this one: until then the caller's `grpc-timeout` alone
            // counts for a call without a route.
            deadline::set(&self.context(), call)?;
        }
        match (missing, &call.cluster) {
            (Missing::Service(name), _) => self.check_discovery(name),
            (missing, Some(cluster)) if missing.is_limited() => self.may_wait(cluster),
            (_, _) => Ok(()),
        }
    }

    /// It is known whether there is the service: the call goes on at its step.
    pub(super) fn resume_step(&mut self, id: CallId) {
        self.end_wait(id, Waited::Answered);
        if let Some(call) = self.remove_call(id) {
            self.readmit(call);
        }
    }

    /// The time that a step has set is there: the call has passed that step. Its cluster may have changed.
    pub(super) fn pass_step(&mut self, id: CallId) {
        self.end_wait(id, Waited::Answered);
        let has_cluster = self.calls.at(id).is_some_and(|call| call.cluster.is_some());
        if has_cluster && self.renew_cluster(id).is_none() {
            return;
        }
        if let Some(mut call) = self.remove_call(id) {
            call.steps_passed += 1;
            self.readmit(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::time::Duration;

    use outrider_http2::{self as http2, Field, Fields};
    use outrider_policy::order::Step;
    use outrider_policy::{ClusterPolicy, Limits, Reason, Rule, Tick};

    use super::*;
    use crate::call::WaitKind;
    use crate::cluster::ClusterState;
    use crate::config::{Cluster, Settings, Transport};
    use crate::contract::Action;
    use crate::ids::Side;
    use crate::record::{CallRecord, Outcome};

    const PAUSE: Duration = Duration::from_millis(10);

    fn at(passed: Duration) -> Tick {
        Tick::ZERO + passed
    }

    fn cluster(waiting: u32) -> Rc<ClusterState> {
        let limits = Limits {
            waiting,
            ..Limits::default()
        };
        let config = Cluster {
            name: "app".to_owned(),
            transport: Transport::Plaintext,
            endpoints: Vec::new(),
            unresolved: None,
            policy: ClusterPolicy {
                limits,
                ..ClusterPolicy::default()
            },
            shared: Default::default(),
        };
        let state = ClusterState::new(Arc::new(config), None);
        Rc::new(ClusterState {
            is_app: true,
            ..state
        })
    }

    /// An engine with so many calls to `cluster` that a step has paused.
    fn paused(cluster: &Rc<ClusterState>, calls: usize, deadline: Option<Tick>) -> Engine {
        let mut engine = Engine::new(Settings::new("orders"), 1);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let id = engine.accepted_as(Tick::ZERO, Side::Inbound, address, None);
        let config = http2::Config::default();
        let mut caller = http2::Connection::client(config, &http2::WindowPool::new(0));
        for _ in 0..calls {
            let head = [Field::new(b":method", b"POST")];
            let stream = caller.open(head, true).expect("a stream");
            let mut call = engine.new_call(id, Side::Inbound, stream, Fields::new(), true);
            call.cluster = Some(Rc::clone(cluster));
            call.deadline = deadline;
            let (until, step, rule) = (at(PAUSE), Step::Deadline, Rule::Fixed("test"));
            engine.wait_at_step(call, Missing::Time { until, step, rule });
        }
        engine
    }

    fn records(engine: &mut Engine) -> Vec<CallRecord> {
        let actions = std::iter::from_fn(|| engine.next_action());
        let record = |action| match action {
            Action::Record(record) => Some(*record),
            _ => None,
        };
        actions.filter_map(record).collect()
    }

    #[test]
    fn a_limited_number_of_calls_waits_for_a_time() {
        let cluster = cluster(2);
        let mut engine = paused(&cluster, 3, None);
        assert_eq!(cluster.load.waiting.get(), 2);
        let refused: Vec<_> = records(&mut engine).iter().map(|it| it.outcome).collect();
        assert_eq!(refused, [Outcome::Refused(Reason::WaitingLimit)]);
    }

    #[test]
    fn a_call_passes_its_step_when_the_time_is_there() {
        let cluster = cluster(2);
        let mut engine = paused(&cluster, 1, None);
        engine.tick(at(PAUSE - Duration::from_nanos(1)));
        let waits = |engine: &Engine| engine.gauges().waiting[WaitKind::Time as usize];
        assert_eq!((waits(&engine), cluster.load.waiting.get()), (1, 1));
        engine.tick(at(PAUSE));
        assert_eq!((waits(&engine), cluster.load.waiting.get()), (0, 0));
        assert_eq!(
            engine.gauges().counters.waits_answered[WaitKind::Time as usize],
            1
        );
    }

    #[test]
    fn a_deadline_before_the_time_ends_the_call() {
        let cluster = cluster(2);
        let mut engine = paused(&cluster, 1, Some(at(PAUSE / 2)));
        engine.tick(at(PAUSE / 2));
        let ended = records(&mut engine).pop().expect("a record");
        assert_eq!(ended.outcome, Outcome::Refused(Reason::DeadlineExceeded));
        assert_eq!(ended.waited, PAUSE / 2);
        let detail = ended.detail.expect("a sentence");
        assert!(detail.ends_with("held at the step Deadline"), "{detail}");
        assert_eq!(
            (cluster.load.calls.get(), cluster.load.waiting.get()),
            (0, 0)
        );
        assert_eq!(engine.gauges().calls, 0);
    }
}
