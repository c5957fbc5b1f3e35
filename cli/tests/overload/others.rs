//! What a well-behaved caller feels while somebody else is hostile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use outrider_tests::Caller;
use tokio::task::JoinHandle;
use tokio::time::interval;

use super::GET;

/// A well-behaved caller at work on a connection of its own.
pub struct Others {
    is_over: Arc<AtomicBool>,
    ended: JoinHandle<BTreeMap<String, usize>>,
}

impl Others {
    /// Begins to call `service`, one call every 10 ms.
    pub async fn start(address: SocketAddr, service: &'static str) -> Others {
        let is_over = Arc::<AtomicBool>::default();
        let stop = Arc::clone(&is_over);
        let caller = Caller::connect(address).await;
        let ended = tokio::spawn(async move {
            let mut pace = interval(Duration::from_millis(10));
            let mut ended = BTreeMap::new();
            while !stop.load(Ordering::Relaxed) {
                pace.tick().await;
                let reply = caller.call(service, GET, b"hello").await;
                let how = reply.map_or_else(|error| error.to_string(), |reply| reply.grpc_status);
                *ended.entry(how).or_default() += 1;
            }
            ended
        });
        Others { is_over, ended }
    }

    /// How its calls ended, and how many so: the gRPC status, or why there was none.
    pub async fn stop(self) -> BTreeMap<String, usize> {
        self.is_over.store(true, Ordering::Relaxed);
        self.ended.await.expect("it does not panic")
    }
}
