//! Which clients may call the control plane: sidecars of its trust domain, and the operator.
//!
//! Does not verify certificates (`trust` does).

use outrider_identity::{IdentityError, Svid};
use outrider_proto::token::is_label;

use crate::members::MemberId;
use crate::members::caller::{Identity, Workload};

/// The caller that the certificate names in `trust_domain`.
///
/// # Errors
/// [`IdentityError::Unexpected`]: it names neither a sidecar nor the operator. The control plane's own
/// certificate is refused too.
pub fn identity_of(svid: &Svid, trust_domain: &str) -> Result<Identity, IdentityError> {
    let is_ours = svid.id.trust_domain() == trust_domain;
    match (svid.id.namespace(), svid.id.service_name()) {
        _ if is_ours && svid.id.path() == "/operator" => Ok(Identity::Operator),
        (Some(namespace), Some(service)) if is_ours && is_label(namespace) && is_label(service) => {
            Ok(Identity::Sidecar(Workload {
                namespace: namespace.to_owned(),
                service: service.to_owned(),
                member: MemberId::of_serial(&svid.serial),
                expires_unix: svid.not_after_unix,
                issuer: svid.issuer.clone(),
            }))
        }
        _ => Err(IdentityError::Unexpected {
            expected: format!("a sidecar or the operator of {trust_domain}"),
            presented: svid.id.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outrider_identity::SpiffeId;

    #[test]
    fn only_sidecars_and_the_operator_of_our_trust_domain_may_speak() {
        let member = MemberId::new([7; 8]);
        let identity = |uri: &str| {
            let svid = Svid {
                id: SpiffeId::parse(uri.as_bytes()).ok()?,
                serial: member.octets().to_vec(),
                not_before_unix: 0,
                not_after_unix: 7,
                issuer: "root".to_owned(),
            };
            identity_of(&svid, "outrider.local").ok()
        };
        let orders = Identity::Sidecar(Workload {
            namespace: "default".to_owned(),
            service: "orders".to_owned(),
            member,
            expires_unix: 7,
            issuer: "root".to_owned(),
        });
        let good = identity("spiffe://outrider.local/ns/default/svc/orders");
        assert_eq!(good, Some(orders));
        let good = identity("spiffe://outrider.local/operator");
        assert_eq!(good, Some(Identity::Operator));
        for refused in [
            "",
            "spiffe://outrider.local",
            "spiffe://outrider.local/",
            "spiffe://outrider.local/control-plane",
            "spiffe://outrider.local/operator/",
            "spiffe://outrider.localoperator",
            "spiffe://outrider.local2/operator",
            "spiffe://other/operator",
            "spiffe://OUTRIDER.local/operator",
            "SPIFFE://outrider.local/operator",
            "https://outrider.local/operator",
            "spiffe://outrider.local/ns/default/svc/",
            "spiffe://outrider.local/ns//svc/orders",
            "spiffe://outrider.local/ns/default/svc/orders/",
            "spiffe://outrider.local/ns/default/svc/Orders",
            "spiffe://outrider.local/ns/default/svc/%6frders",
            "spiffe://outrider.local//ns/default/svc/orders",
            "spiffe://outrider.local/ns/default/svc/orders?x",
            "spiffe://outrider.local/svc/orders/ns/default",
        ] {
            assert_eq!(identity(refused), None, "{refused}");
        }
    }
}
