//! A case of the control: calls, what each end does, what stands between, and what must come of it
//! without the mesh.
//!
//! A case is one row of a table in `cases/`. Decides nothing; `outcome.rs` compares.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::peer::{GRPC_SERVICE, SERVICE};
use super::step::{Fields, Step};
use crate::hops::{Hops, Served};

/// gRPC's names of its codes, by number.
pub const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What a call is said to have ended with that its client cancelled: where it was cut is chance.
pub const CUT: &str = "cancelled or over";

/// What may differ between the two ways, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// White space at the ends of a value or a message: gRPC's wire page allows to strip it, RFC 9113
    /// 8.2.1 calls a field with it malformed.
    SpaceAtTheEnds,
    /// Without the mesh, CANCELLED for DEADLINE_EXCEEDED: where a server's timer fires before the
    /// client's, grpc-go resets with CANCEL, and C-core takes its word for it now and then.
    CancelledForLate,
}

/// Calls that are alike; all parts of a case run at once over one channel.
#[derive(Clone, Debug)]
pub struct Part {
    pub(crate) calls: usize,
    at_once: Option<usize>,
    deadline_ms: u64,
    cancel_within_ms: u64,
    wait_for_ready: bool,
    metadata: Vec<(String, String)>,
    fields: Vec<String>,
    client: Option<Vec<Step>>,
    server: Vec<Step>,
    ends: Option<&'static [&'static str]>,
}

/// What a case stands on. Cases on the same ground share processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ground {
    /// Sidecars between client and server.
    pub hops: Hops,
    /// Options of the server, by the names that `tests/peers/README.md` has.
    pub server: Vec<(&'static str, u32)>,
    /// Documents beside the one of the service, YAML.
    pub documents: String,
    /// What `--limits` says to the sidecars.
    pub limits: &'static str,
    /// The option of another server, which is an endpoint too; the control calls the first one.
    pub beside: Option<(&'static str, u32)>,
    /// Nobody listens at the server's address for so long after each case begins.
    pub late_ms: u64,
}

impl Ground {
    /// The service that stands on it; `others` are endpoints too.
    pub(crate) fn served<'a>(&'a self, others: &'a [SocketAddr]) -> Served<'a> {
        Served {
            name: SERVICE,
            grpc_services: GRPC_SERVICE,
            others,
            documents: &self.documents,
            limits: self.limits,
        }
    }
}

/// One row.
#[derive(Clone, Debug)]
pub struct Case {
    pub(crate) name: String,
    pub(crate) ground: Ground,
    pub(crate) parts: Vec<Part>,
    pub(crate) allowed: Vec<Allowance>,
}

impl Part {
    /// One unary call whose message is `hello`; the server must send one message, or a status.
    pub fn unary(server: impl IntoIterator<Item = Step>) -> Part {
        Part {
            calls: 1,
            at_once: None,
            deadline_ms: 0,
            cancel_within_ms: 0,
            wait_for_ready: false,
            metadata: Vec::new(),
            fields: vec!["t-".to_owned()],
            client: None,
            server: server.into_iter().collect(),
            ends: None,
        }
    }

    /// One call whose messages are streams.
    pub fn stream(
        client: impl IntoIterator<Item = Step>,
        server: impl IntoIterator<Item = Step>,
    ) -> Part {
        Part {
            client: Some(client.into_iter().collect()),
            ..Part::unary(server)
        }
    }

    /// So many calls, all at once.
    pub fn calls(self, calls: usize) -> Part {
        Part { calls, ..self }
    }

    /// At most so many at a time.
    pub fn at_once(self, calls: usize) -> Part {
        let at_once = Some(calls);
        Part { at_once, ..self }
    }

    /// The client's deadline. Milliseconds.
    pub fn deadline(self, deadline_ms: u64) -> Part {
        Part {
            deadline_ms,
            ..self
        }
    }

    /// The client cancels each call, at a time of its own between 0 and so many milliseconds.
    pub fn cancel_within(self, cancel_within_ms: u64) -> Part {
        Part {
            cancel_within_ms,
            ..self
        }
    }

    /// The client waits for a connection instead of failing.
    pub fn wait_for_ready(self) -> Part {
        let wait_for_ready = true;
        Part {
            wait_for_ready,
            ..self
        }
    }

    /// What the client sends. Names begin with `t-` unless [`Part::fields`] names others.
    pub fn metadata(self, metadata: Fields) -> Part {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let metadata = metadata.iter().map(owned).collect();
        Part { metadata, ..self }
    }

    /// Beginnings of the names of metadata that the client tells of; `t-` unless said.
    pub fn fields(self, prefixes: &[&str]) -> Part {
        let fields = prefixes.iter().map(|name| (*name).to_owned()).collect();
        Part { fields, ..self }
    }

    /// The codes that the calls end with without the mesh: each of these at least once, and no other.
    /// Unless said: the server's status, [`CUT`] where the client cancels, else OK.
    pub fn ends(self, codes: &'static [&'static str]) -> Part {
        let ends = Some(codes);
        Part { ends, ..self }
    }

    fn steps(&self, verb: &str) -> Option<&Value> {
        let both = self.client.iter().flatten().chain(&self.server);
        both.rev().find_map(|step| step.0.get(verb))
    }

    /// The code with which the server's own words end the calls.
    pub(crate) fn status(&self) -> Option<&'static str> {
        let status = self.steps("status")?;
        let number = usize::try_from(status["code"].as_u64()?).ok()?;
        CODES.get(number).copied()
    }

    /// What [`Part::ends`] says.
    pub(crate) fn codes(&self) -> Vec<&'static str> {
        let is_cut = self.cancel_within_ms > 0 || self.steps("cancel").is_some();
        match self.ends {
            Some(ends) => ends.to_vec(),
            None if is_cut => vec![CUT],
            None => vec![self.status().unwrap_or(CODES[0])],
        }
    }

    fn script(&self) -> Value {
        let values = |steps: &Vec<Step>| steps.iter().map(|step| step.0.clone()).collect();
        let client: Option<Value> = self.client.as_ref().map(values);
        json!({
            "calls": self.calls,
            "at_once": self.at_once.unwrap_or(self.calls),
            "deadline_ms": self.deadline_ms,
            "cancel_within_ms": self.cancel_within_ms,
            "wait_for_ready": self.wait_for_ready,
            "metadata": self.metadata,
            "fields": self.fields,
            "client": client,
            "server": values(&self.server),
        })
    }
}

impl Case {
    /// A row: through one sidecar, a server with no options, no documents but the service's.
    pub fn new(name: impl Into<String>, parts: impl IntoIterator<Item = Part>) -> Case {
        Case {
            name: name.into(),
            ground: Ground {
                hops: Hops::One,
                server: Vec::new(),
                documents: String::new(),
                limits: "",
                beside: None,
                late_ms: 0,
            },
            parts: parts.into_iter().collect(),
            allowed: Vec::new(),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Through two sidecars with mutual TLS between them.
    pub fn through_a_pair(mut self) -> Case {
        self.ground.hops = Hops::Pair;
        self
    }

    /// An option of the server, such as `max_concurrent_streams`.
    pub fn server(mut self, option: &'static str, value: u32) -> Case {
        self.ground.server.push((option, value));
        self
    }

    /// Another endpoint with this option, for cases through one sidecar. The control calls only the one
    /// that [`Case::server`] is about.
    pub fn beside(mut self, option: &'static str, value: u32) -> Case {
        self.ground.beside = Some((option, value));
        self
    }

    /// Connections to the server are refused at first, for so many milliseconds.
    pub fn late(mut self, late_ms: u64) -> Case {
        self.ground.late_ms = late_ms;
        self
    }

    /// More documents, YAML with `---` between; the service is `echo`, its method `control.Echo/Do`.
    pub fn documents(mut self, yaml: &str) -> Case {
        self.ground.documents = yaml.to_owned();
        self
    }

    /// `--limits` of the sidecars.
    pub fn limits(mut self, limits: &'static str) -> Case {
        self.ground.limits = limits;
        self
    }

    /// Lets the two ways differ.
    pub fn allow(mut self, allowance: Allowance) -> Case {
        self.allowed.push(allowance);
        self
    }

    /// The case as it must end through the mesh: what a server's timer may do to the control it may not
    /// do there.
    pub(crate) fn of_the_mesh(&self) -> Case {
        let mut case = self.clone();
        case.allowed
            .retain(|allowed| *allowed != Allowance::CancelledForLate);
        case
    }

    /// The line that a client program reads.
    pub(crate) fn line(&self, address: &str) -> String {
        let parts: Vec<Value> = self.parts.iter().map(Part::script).collect();
        json!({ "name": self.name, "address": address, "parts": parts }).to_string()
    }
}
