//! What a service owes the services it calls: the caller's trace and what is left of its time.
//!
//! Knows nothing of what is called. Trace: W3C Trace Context, level 1. Time: `grpc-timeout` of the
//! gRPC over HTTP/2 protocol, which is relative and therefore counted down here.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tonic::{Request, metadata::MetadataMap};

use crate::backstage::Instance;

/// Copied from an incoming call to the calls made on its behalf.
const TRACE_HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// An incoming call while it is being worked on.
pub struct Call {
    instance: Arc<Instance>,
    deadline: Option<Instant>,
    trace: MetadataMap,
}

impl Call {
    /// Takes over what the caller sent along with its request.
    pub(crate) fn new(instance: Arc<Instance>, metadata: &MetadataMap) -> Call {
        let mut trace = MetadataMap::new();
        for name in TRACE_HEADERS {
            if let Some(value) = metadata.get(name) {
                trace.insert(name, value.clone());
            }
        }
        let timeout = metadata
            .get("grpc-timeout")
            .and_then(|value| parse_timeout(value.as_bytes()));
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Call {
            instance,
            deadline,
            trace,
        }
    }

    /// A request made on behalf of this call: same trace, the time that is left.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.trace.clone();
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        }
        request
    }
}

/// However a call ends (answered, failed or cancelled), work done after its deadline was wasted.
impl Drop for Call {
    fn drop(&mut self) {
        if let Some(deadline) = self.deadline {
            self.instance
                .record_late(Instant::now().saturating_duration_since(deadline));
        }
    }
}

/// Parses a `grpc-timeout`: up to eight digits and a unit. `None` for anything else.
fn parse_timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_and_refuses_all_else() {
        let cases = [
            ("2H", Some(Duration::from_secs(7200))),
            ("3M", Some(Duration::from_secs(180))),
            ("4S", Some(Duration::from_secs(4))),
            ("200m", Some(Duration::from_millis(200))),
            ("5u", Some(Duration::from_micros(5))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("100000000n", None),
            ("m", None),
            ("", None),
            ("-1S", None),
            ("1s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_timeout(text.as_bytes()), expected, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn passes_on_the_trace_and_the_time_left() {
        let mut metadata = MetadataMap::new();
        metadata.insert(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                .parse()
                .unwrap(),
        );
        metadata.insert("grpc-timeout", "200m".parse().unwrap());
        metadata.insert("cookie", "secret".parse().unwrap());
        let call = Call::new(Instance::new("test".into()), &metadata);

        tokio::time::advance(Duration::from_millis(150)).await;
        let request = call.request(());

        assert_eq!(
            request.metadata().get("traceparent"),
            metadata.get("traceparent")
        );
        assert_eq!(request.metadata().get("grpc-timeout").unwrap(), "50000000n");
        assert!(request.metadata().get("cookie").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn counts_the_work_done_after_the_deadline() {
        let instance = Instance::new("test".into());
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", "200m".parse().unwrap());
        let call = Call::new(instance.clone(), &metadata);

        tokio::time::advance(Duration::from_millis(230)).await;
        drop(call);

        assert_eq!(instance.seen().late_work_us, 30_000);
    }
}
