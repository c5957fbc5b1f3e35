//! Reports endpoint observations of a sidecar without an application to the control plane.
//!
//! A sidecar with an application sends them with its announcements.

use std::time::Duration;

use outrider_proto::v1::Observation;
use outrider_proto::v1::registry_client::RegistryClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::connection::Connection;
use super::observer::Observer;
use crate::clock;
use crate::grpc_error;
use crate::worker::Workers;

/// Time between two looks; as often as an application is announced.
const LOOK_INTERVAL: Duration = Duration::from_millis(1_600);

/// Time to the next stream after one has failed.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Observations that may wait to be sent.
const WAITING_MAX: usize = 64;

/// Reports changes over `connection`; ends only when given up.
pub async fn report(observer: &mut Observer, workers: &Workers, connection: &Connection) {
    loop {
        let (outgoing, observations) = mpsc::channel(WAITING_MAX);
        let mut registry = RegistryClient::new(connection.channel.clone());
        let ended = tokio::select! {
            ended = registry.observe(ReceiverStream::new(observations)) => ended,
            () = send_changes(observer, workers, &outgoing) => continue,
        };
        match ended {
            // An older control plane wants to hear nothing.
            Err(status) if status.code() == Code::Unimplemented => std::future::pending().await,
            Err(status) => {
                let problem = grpc_error::describe(&status, None);
                tracing::debug!(problem, "what is seen of endpoints is not told");
            }
            Ok(_) => {}
        }
        tokio::time::sleep(clock::spread(AGAIN_AFTER, clock::seed())).await;
    }
}

/// Sends changes until the receiver is gone.
async fn send_changes(
    observer: &mut Observer,
    workers: &Workers,
    outgoing: &mpsc::Sender<Observation>,
) {
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let gauges = workers.gauges().await;
        for observation in observer.observe(&gauges) {
            if outgoing.send(observation).await.is_err() {
                return;
            }
        }
    }
}
