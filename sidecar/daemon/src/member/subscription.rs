//! The shell around [`xds::client`](crate::xds::client): a stream, wishes and the time go in; what
//! is in force comes out.
//!
//! Decides nothing: what to ask for, what to take and when to connect again, the client says.
//! Everything that comes out goes to a `watch`, so that publishing never waits.

use std::sync::Arc;
use std::time::Duration;

use outrider_causes::{CertificateDates, is_certificate_rejection};
use outrider_policy::Tick;
use outrider_proto::v1::StoredConfiguration;
use tokio::sync::{mpsc, watch};
use tonic::Code;
use tonic::transport::Channel;

use super::ads_stream::Responses;
use super::last_good::{self, Latest};
use super::status::MemberStatus;
use crate::clock::{self, Clock};
use crate::control::configuration::SourceUpdate;
use crate::grpc_error;
use crate::telemetry::Metrics;
use crate::xds::client::{Client, Closed, RejectedResource, Request, Response};

/// Time without a control plane after which it is said loudly.
const ALONE_MAX: Duration = Duration::from_secs(30);

/// Longest wait for the next stream. 15 s: a control plane that is back keeps the endpoints it knew
/// for 30 s, and by then they must have announced themselves.
const RECONNECT_MAX: Duration = Duration::from_secs(15);

/// Wait when nothing is due; any event ends it earlier.
const NOTHING_DUE: Duration = Duration::from_secs(3_600);

/// How a stream ended, and why in words.
#[derive(Debug)]
pub struct StreamEnd {
    /// For the client.
    pub how: Closed,
    /// The other end did not believe our certificate.
    pub is_certificate_rejection: bool,
    /// For people.
    pub problem: String,
}

/// Where a subscription publishes its results.
#[derive(Debug)]
pub struct SubscriptionOutputs {
    /// What is in force.
    pub updates: watch::Sender<Arc<SourceUpdate>>,
    /// How it goes.
    pub status: watch::Sender<MemberStatus>,
    /// The trust bundle, PEM.
    pub bundle: watch::Sender<Option<Vec<u8>>>,
    /// What is to be saved.
    pub latest: watch::Sender<Latest>,
}

/// A client of ADS and its stream, when there is one.
#[derive(Debug)]
pub struct Subscription {
    clock: Clock,
    metrics: Arc<Metrics>,
    client: Client,
    wants: mpsc::UnboundedReceiver<String>,
    out: SubscriptionOutputs,
    requests: Option<mpsc::UnboundedSender<Request>>,
    /// Since when there is no stream, until that has been said.
    alone_since: Option<Tick>,
}

impl Subscription {
    /// Begins with what `client` has in force.
    pub fn new(
        clock: Clock,
        metrics: Arc<Metrics>,
        client: Client,
        wants: mpsc::UnboundedReceiver<String>,
        out: SubscriptionOutputs,
    ) -> Subscription {
        let mut subscription = Subscription {
            clock,
            metrics,
            client,
            wants,
            out,
            requests: None,
            alone_since: Some(clock.now()),
        };
        subscription.publish();
        subscription
    }

    /// Waits for something else, and takes wishes in meanwhile. What was asked of a server that does
    /// not even open the stream is given up in time.
    pub async fn meanwhile<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        loop {
            let (until_alone, until_timeout) = (self.until_alone(), self.until_timeout());
            tokio::select! {
                result = &mut other => return result,
                Some(name) = self.wants.recv() => self.want(&name),
                () = tokio::time::sleep(until_alone) => self.say_alone(),
                () = tokio::time::sleep(until_timeout) => self.tick(),
            }
        }
    }

    /// Speaks with the control plane until the stream ends. `own` are the dates of the certificate
    /// that the connection shows.
    pub async fn follow(&mut self, channel: &Channel, own: Option<CertificateDates>) -> StreamEnd {
        let (requests, outgoing) = mpsc::unbounded_channel();
        self.requests = Some(requests);
        let first = self.client.opened(self.clock.now());
        self.send(first);
        let opening = Responses::open(self.client.protocol(), channel.clone(), outgoing);
        let mut responses = match self.meanwhile(opening).await {
            Ok(responses) => responses,
            Err(status) => return ended(&status, own),
        };
        self.connected();
        loop {
            let until_timeout = self.until_timeout();
            tokio::select! {
                response = responses.next() => match response {
                    Ok(Some(response)) => self.receive(response),
                    Ok(None) => return ended(&tonic::Status::unavailable("it said no more"), own),
                    Err(status) => return ended(&status, own),
                },
                Some(name) = self.wants.recv() => self.want(&name),
                () = tokio::time::sleep(until_timeout) => self.tick(),
            }
        }
    }

    /// The stream was given up for another one, which follows at once: everything is asked for
    /// again on that, and nothing has failed.
    pub fn replaced(&mut self) {
        self.requests = None;
    }

    /// There is no stream, or none any more; gives how long to wait for the next.
    pub fn closed(&mut self, how: Closed) -> Duration {
        let now = self.clock.now();
        self.requests = None;
        if self.alone_since.is_none() && self.out.status.borrow().connected {
            self.alone_since = Some(now);
        }
        self.out
            .status
            .send_modify(|status| status.connected = false);
        let next = self.client.closed(now, how, clock::seed());
        next.since(now).min(RECONNECT_MAX)
    }

    fn connected(&mut self) {
        self.alone_since = None;
        tracing::info!("the control plane configures this sidecar");
        self.out.status.send_modify(|status| {
            status.connected = true;
            status.problem = None;
            status.rejoin_refused = None;
        });
    }

    fn receive(&mut self, response: Response) {
        let now = self.clock.now();
        let version = match &response {
            Response::Delta(response) => response.system_version_info.clone(),
            Response::World(response) => response.version_info.clone(),
        };
        let requests = self.client.receive(now, response);
        self.send(requests);
        // A server need not say one; then what is in force with the answer has one.
        let in_force = || self.client.configuration().version();
        let version = Some(version).filter(|version| !version.is_empty());
        let version = version.unwrap_or_else(in_force);
        // After what is in force: who sees an answer finds what it brought.
        self.out.status.send_modify(|status| {
            status.answered_at = Some(now);
            status.answered_version = version;
        });
    }

    fn tick(&mut self) {
        let requests = self.client.tick(self.clock.now());
        self.send(requests);
    }

    fn want(&mut self, name: &str) {
        let requests = self.client.want(self.clock.now(), name);
        self.send(requests);
    }

    /// After every event of the client: what it has to say is sent, what changed is published.
    fn send(&mut self, requests: Vec<Request>) {
        for request in requests {
            let refuses = match &request {
                Request::Delta(request) => request.error_detail.is_some(),
                Request::World(request) => request.error_detail.is_some(),
            };
            if refuses {
                self.metrics.configuration_changed(false);
            }
            if let Some(stream) = &self.requests {
                // Fails when the stream has just ended, which it says itself.
                let _ = stream.send(request);
            }
        }
        self.publish();
    }

    fn publish(&mut self) {
        let configuration = self.client.configuration();
        let rejections = self.client.rejections();
        let refused: Vec<String> = rejections.iter().map(words).collect();
        let absent = Some(self.client.unusable());
        let before = Arc::clone(&self.out.updates.borrow());
        let is_new = configuration.version() != before.configuration.version();
        if !is_new && absent == before.absent && refused == before.refused {
            return;
        }
        for problem in refused.iter().filter(|it| !before.refused.contains(it)) {
            tracing::error!(problem, "a resource was refused; the last good one stays");
        }
        self.out
            .status
            .send_modify(|status| status.rejected_count = rejections.len());
        let (configuration, accepted_at) = if is_new {
            (Arc::new(configuration.clone()), self.clock.now())
        } else {
            (Arc::clone(&before.configuration), before.accepted_at)
        };
        self.out.updates.send_replace(Arc::new(SourceUpdate {
            configuration,
            absent,
            accepted_at,
            refused,
        }));
        if is_new {
            self.publish_change();
        }
    }

    /// What else follows from another configuration.
    fn publish_change(&mut self) {
        let bundle = self.client.trust_bundle();
        self.out.bundle.send_if_modified(|before| {
            let is_new = before.as_deref() != bundle;
            if is_new {
                *before = bundle.map(<[u8]>::to_vec);
            }
            is_new
        });
        // What an earlier life left is no news.
        if self.out.status.borrow().connected {
            self.metrics.configuration_changed(true);
            self.out.latest.send_replace(Some(self.to_be_stored()));
        }
    }

    /// `last_good::save` fills in the identity.
    fn to_be_stored(&self) -> StoredConfiguration {
        let absent = self.client.absent();
        let services = self.client.services().difference(&absent);
        let services = services.cloned().collect();
        let resources = self.client.resources();
        last_good::stored(clock::unix_seconds(), services, &resources)
    }

    fn until_timeout(&self) -> Duration {
        let due = self.client.next_timeout();
        due.map_or(NOTHING_DUE, |due| due.since(self.clock.now()))
    }

    fn until_alone(&self) -> Duration {
        let due = self.alone_since.map(|since| since + ALONE_MAX);
        due.map_or(NOTHING_DUE, |due| due.since(self.clock.now()))
    }

    fn say_alone(&mut self) {
        if self.alone_since.take().is_some() {
            let seconds = ALONE_MAX.as_secs();
            let problem = self.out.status.borrow().problem.clone();
            tracing::warn!(seconds, problem, "no control plane; what is in force stays");
        }
    }
}

fn words(refused: &RejectedResource) -> String {
    let RejectedResource {
        kind, name, reason, ..
    } = refused;
    format!("{kind:?} {name}: {reason}")
}

fn ended(status: &tonic::Status, own: Option<CertificateDates>) -> StreamEnd {
    let how = match status.code() {
        Code::Unimplemented => Closed::Unimplemented,
        _ => Closed::Lost,
    };
    StreamEnd {
        how,
        is_certificate_rejection: is_certificate_rejection(status),
        problem: format!(
            "the control plane's stream ended: {}",
            grpc_error::describe(status, own)
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use outrider_proto::envoy::core::Node;

    #[tokio::test]
    async fn a_server_that_opens_no_stream_is_given_up_in_time() {
        let mut client = Client::new(Node::default(), BTreeSet::new());
        client.want(Tick::ZERO, "a");
        client.opened(Tick::ZERO);
        let (updates, mut received) = watch::channel(Arc::default());
        let out = SubscriptionOutputs {
            updates,
            status: watch::channel(MemberStatus::default()).0,
            bundle: watch::channel(None).0,
            latest: watch::channel(None).0,
        };
        let clock = Clock::started_ago(Duration::from_secs(20));
        let (_wants, wanted) = mpsc::unbounded_channel();
        let metrics = Arc::new(Metrics::new());
        let mut subscription = Subscription::new(clock, metrics, client, wanted, out);
        let has_a =
            |update: &Arc<SourceUpdate>| update.absent.iter().any(|absent| absent.contains("a"));
        let given_up = subscription.meanwhile(received.wait_for(has_a)).await;
        assert!(given_up.is_ok());
    }
}
