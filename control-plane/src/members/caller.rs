//! The caller of a request, as the client's certificate names it.
//!
//! The TLS acceptor puts a [`Caller`] into every request of a connection; services ask
//! [`sidecar`] or [`operator`] first. Messages and node ids never identify a caller.
//! Reference: SPIFFE-ID 2, X.509-SVID 2.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tonic::{Extensions, Status};

use crate::members::MemberId;

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is, verified against the bundle.
    pub identity: Identity,
    /// Where it connects from; an IPv4 address in IPv6's spelling is spelt as IPv4.
    pub from: IpAddr,
}

/// Who a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It has shown no certificate: it may ask for the bundle and join.
    Anonymous,
    /// The sidecar of a service.
    Sidecar(Workload),
    /// `spiffe://<trust domain>/operator`.
    Operator,
}

/// The sidecar of a service, as its certificate names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Namespace of the service.
    pub namespace: String,
    /// Name of the service.
    pub service: String,
    /// Which of its instances.
    pub member: MemberId,
    /// When the certificate ends. Seconds since 1970-01-01 UTC.
    pub expires_unix: i64,
    /// Common name of the root that signed it.
    pub issuer: String,
}

impl Workload {
    /// The SPIFFE id of the service in `trust_domain`.
    pub fn spiffe_id(&self, trust_domain: &str) -> String {
        let Workload {
            namespace, service, ..
        } = self;
        format!("spiffe://{trust_domain}/ns/{namespace}/svc/{service}")
    }

    /// How long the certificate is still good for.
    pub fn life(&self, now_unix: i64) -> Duration {
        let left = self.expires_unix.saturating_sub(now_unix);
        Duration::from_secs(u64::try_from(left).unwrap_or(0))
    }

    /// The service as events name it: `namespace/service`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.service)
    }
}

fn identity(extensions: &Extensions) -> Option<&Identity> {
    extensions.get().map(|caller: &Caller| &caller.identity)
}

/// Where the caller connects from. The unspecified address where no connection said it, as in
/// tests.
pub fn from(extensions: &Extensions) -> IpAddr {
    let caller = extensions.get().map(|caller: &Caller| caller.from);
    caller.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// The calling sidecar.
///
/// # Errors
/// UNAUTHENTICATED without a certificate, PERMISSION_DENIED for any other caller.
pub fn sidecar(extensions: &Extensions) -> Result<&Workload, Status> {
    match identity(extensions) {
        Some(Identity::Sidecar(workload)) => Ok(workload),
        Some(Identity::Operator) => Err(Status::permission_denied(
            "this is for sidecars, and the certificate is an operator's",
        )),
        Some(Identity::Anonymous) | None => Err(Status::unauthenticated(
            "this needs the certificate of a sidecar: join first",
        )),
    }
}

/// How a stream ends whose client's certificate has expired.
pub fn expired() -> Status {
    Status::unavailable("the certificate of this connection has expired: renew it, connect again")
}

/// How a stream ends when the process stops.
pub fn stopping() -> Status {
    Status::unavailable("the control plane stops: connect again")
}

/// Lets every sidecar pass.
///
/// # Errors
/// As [`sidecar`].
pub fn any_sidecar(extensions: &Extensions) -> Result<(), Status> {
    sidecar(extensions).map(drop)
}

/// Lets operators pass.
///
/// # Errors
/// UNAUTHENTICATED without a certificate, PERMISSION_DENIED for anybody else.
pub fn operator(extensions: &Extensions) -> Result<(), Status> {
    match identity(extensions) {
        Some(Identity::Operator) => Ok(()),
        Some(Identity::Sidecar(_)) => Err(Status::permission_denied(
            "this is for operators, and the certificate is a sidecar's",
        )),
        Some(Identity::Anonymous) | None => Err(Status::unauthenticated(
            "this needs an operator's certificate: the folder `operator` in the control plane's --data",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn orders() -> Identity {
        Identity::Sidecar(Workload {
            namespace: "default".to_owned(),
            service: "orders".to_owned(),
            member: MemberId::UNKNOWN,
            expires_unix: 0,
            issuer: String::new(),
        })
    }

    fn asked(identity: Option<Identity>) -> (Result<(), Code>, Result<(), Code>) {
        let mut extensions = Extensions::new();
        if let Some(identity) = identity {
            let from = Ipv4Addr::LOCALHOST.into();
            extensions.insert(Caller { identity, from });
        }
        let sidecar = sidecar(&extensions).map(drop);
        let operator = operator(&extensions);
        (
            sidecar.map_err(|status| status.code()),
            operator.map_err(|status| status.code()),
        )
    }

    #[test]
    fn who_may_do_what() {
        let (denied, unknown) = (Err(Code::PermissionDenied), Err(Code::Unauthenticated));
        assert_eq!(asked(None), (unknown, unknown));
        assert_eq!(asked(Some(Identity::Anonymous)), (unknown, unknown));
        assert_eq!(asked(Some(orders())), (Ok(()), denied));
        assert_eq!(asked(Some(Identity::Operator)), (denied, Ok(())));
    }
}
