//! Throw-away certificates and records for this crate's tests.

use std::fs;
use std::path::Path;

use outrider_engine::{CallRecord, Outcome, Side};
use outrider_policy::{Class, Code, Tick, TraceContext, Trail};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

use crate::options::IdentityFiles;

/// A certificate authority that lives as long as one test.
pub struct Authority {
    trust_domain: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(trust_domain: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a self-signed certificate");
        Authority {
            trust_domain: trust_domain.to_owned(),
            issuer,
        }
    }

    /// Writes certificate, key and bundle for a service of namespace `default` into `folder`.
    pub fn issue(&self, folder: &Path, service: &str) -> IdentityFiles {
        let uri = format!("spiffe://{}/ns/default/svc/{service}", self.trust_domain);
        let mut params = CertificateParams::default();
        params.subject_alt_names =
            vec![SanType::URI(uri.as_str().try_into().expect("an ASCII URI"))];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let write = |name: &str, pem: String| {
            let path = folder.join(name);
            fs::write(&path, pem).expect("a file is written");
            path
        };
        IdentityFiles {
            certificate: write(&format!("{service}.pem"), certificate.pem()),
            key: write(&format!("{service}.key"), key.serialize_pem()),
            trust_bundle: write("bundle.pem", self.issuer.pem()),
        }
    }
}

/// A gRPC call that ended well and took no time.
pub fn record() -> CallRecord {
    CallRecord {
        side: Side::Outbound,
        caller: None,
        started: Tick::ZERO,
        ended: Tick::ZERO,
        deadline: None,
        authority: "orders".to_owned(),
        path: "/shop.v1.Orders/Get".to_owned(),
        route: None,
        cluster: Some("orders".into()),
        idempotent: false,
        endpoint: None,
        peer: None,
        is_grpc: true,
        code: Code::Ok,
        http_status: 200,
        class: Class::Success,
        outcome: Outcome::Answered,
        attempts: 1,
        retries: 0,
        request_bytes: 0,
        response_bytes: 0,
        first_byte: None,
        waited: std::time::Duration::ZERO,
        trace: TraceContext::root(1, 2, true),
        parent_span: None,
        attempt_records: Vec::new(),
        trail: Trail::default(),
        request_id: String::new(),
        detail: None,
    }
}
