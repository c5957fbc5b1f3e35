//! The client: makes the calls of a case and says how many ended how, in the words of the programs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::super::case::CUT;
use super::call::{Call, Seen, path, ready, request};
use super::{Codec, verb};

/// Runs the case of `line` with the authority `service`; the line that a program would say.
///
/// # Errors
/// That the line or the address is nothing that can be used.
pub async fn run(line: &str, service: &str) -> Result<String, String> {
    let case: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let address = case["address"].as_str().unwrap_or_default();
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = endpoint.map_err(|error| error.to_string())?;
    let origin = format!("http://{service}").parse();
    let origin = origin.map_err(|_| "an authority that is none".to_owned())?;
    let channel = endpoint.origin(origin).connect().await;
    let channel = channel.map_err(|error| format!("{error:?}"))?;
    let mut parts = Vec::new();
    for fields in case["parts"].as_array().into_iter().flatten() {
        let part = Arc::new(Part::of(fields.clone()));
        parts.push(tokio::spawn(part.run(channel.clone())));
    }
    let mut ended = Vec::new();
    for part in parts {
        ended.push(part.await.map_err(|error| error.to_string())?);
    }
    Ok(json!({ "name": case["name"], "parts": ended }).to_string())
}

/// Calls that are alike.
struct Part {
    fields: Value,
    next: AtomicU64,
    /// Calls that have neither come to where all calls wait for each other, nor ended.
    missing: watch::Sender<u64>,
}

impl Part {
    fn of(fields: Value) -> Part {
        Part {
            next: AtomicU64::new(0),
            missing: watch::channel(fields["calls"].as_u64().unwrap_or(1)).0,
            fields,
        }
    }

    fn number(&self, name: &str) -> u64 {
        self.fields[name].as_u64().unwrap_or(0)
    }

    async fn run(self: Arc<Part>, channel: Channel) -> Value {
        let mut callers = JoinSet::new();
        for _ in 0..self.number("at_once") {
            callers.spawn(Arc::clone(&self).call_after_call(channel.clone()));
        }
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        while let Some(ended) = callers.join_next().await {
            for outcome in ended.unwrap_or_default() {
                *counts.entry(outcome.to_string()).or_default() += 1;
            }
        }
        let alike = |(outcome, count): (String, u64)| {
            let outcome: Value = serde_json::from_str(&outcome).unwrap_or_default();
            json!({ "count": count, "outcome": outcome })
        };
        counts.into_iter().map(alike).collect()
    }

    async fn call_after_call(self: Arc<Part>, channel: Channel) -> Vec<Value> {
        let mut outcomes = Vec::new();
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            if at >= self.number("calls") {
                return outcomes;
            }
            outcomes.push(self.call(&channel, at).await);
        }
    }

    async fn call(&self, channel: &Channel, at: u64) -> Value {
        let mut met = false;
        let within = self.number("cancel_within_ms") * 1_000;
        let call = async {
            match &self.fields["client"] {
                Value::Null => self.unary(channel).await,
                steps => self.stream(channel, steps, &mut met).await,
            }
        };
        let outcome = match within {
            0 => call.await,
            _ => {
                let span = Duration::from_micros(at * 997 % within);
                let ended = timeout(span, call).await;
                ended.unwrap_or_else(|_| json!({ "code": CUT }))
            }
        };
        if !met {
            self.missing.send_modify(|missing| *missing -= 1);
        }
        match within > 0
            && ["OK", "CANCELLED"]
                .map(Value::from)
                .contains(&outcome["code"])
        {
            true => json!({ "code": CUT }),
            false => outcome,
        }
    }

    async fn unary(&self, channel: &Channel) -> Value {
        let mut seen = Seen::default();
        let called = async {
            let mut grpc = ready(channel).await?;
            let request = request(&self.fields, b"hello".to_vec());
            grpc.unary(request, path(), Codec::default()).await
        };
        let ended = called.await.map(|reply| seen.add(&reply.into_inner()));
        seen.outcome(&ended)
    }

    async fn stream(&self, channel: &Channel, steps: &Value, met: &mut bool) -> Value {
        let mut call = match Call::start(channel, &self.fields).await {
            Ok(call) => call,
            Err(status) => return Seen::default().outcome(&Err(status)),
        };
        let ended = self.steps(&mut call, steps, met).await;
        match ended {
            Ok(None) => json!({ "code": CUT }),
            Ok(Some(())) => call.outcome(&Ok(())),
            Err(status) => call.outcome(&Err(status)),
        }
    }

    /// `None` where the client itself cut the call.
    async fn steps(
        &self,
        call: &mut Call,
        steps: &Value,
        met: &mut bool,
    ) -> Result<Option<()>, Status> {
        for step in steps.as_array().into_iter().flatten() {
            match verb(step) {
                ("send", what) => call.send(what).await,
                ("read", what) => call.read(what.as_i64().unwrap_or(0)).await?,
                ("sleep", what) => {
                    sleep(Duration::from_millis(what.as_u64().unwrap_or(0))).await;
                }
                ("close", _) => call.close(),
                ("cancel", _) => return Ok(None),
                ("meet", _) => {
                    *met = true;
                    let mut all = self.missing.subscribe();
                    self.missing.send_modify(|missing| *missing -= 1);
                    all.wait_for(|missing| *missing == 0).await.ok();
                }
                (other, _) => return Err(Status::internal(format!("tonic does not {other}"))),
            }
        }
        call.close();
        call.read(-1).await?;
        Ok(Some(()))
    }
}
