//! Names of documents, as they are typed and shown.

use clap::ValueEnum;
use outrider_proto::v1;

/// A kind of document; typed in any case, or by a short name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Short: svc.
    #[value(name = "Service", aliases = ["svc", "services"])]
    Service,
    /// Short: tp.
    #[value(name = "TrafficPolicy", aliases = ["tp", "policy", "policies", "trafficpolicies"])]
    TrafficPolicy,
    /// Short: authz.
    #[value(name = "AuthorizationPolicy", aliases = ["authz", "authorizationpolicies"])]
    AuthorizationPolicy,
    /// Short: route.
    #[value(name = "GRPCRoute", aliases = ["route", "routes", "grpcroutes"])]
    GrpcRoute,
    /// One for all services.
    #[value(name = "Mesh", aliases = ["meshes"])]
    Mesh,
}

impl Kind {
    /// As documents write it.
    pub fn name(self) -> String {
        let written = self.to_possible_value();
        written.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// `Service/default/orders`.
pub fn shown(name: Option<&v1::DocumentName>) -> String {
    let Some(name) = name else {
        return String::new();
    };
    format!("{}/{}/{}", name.kind, name.namespace, name.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_document_can_be_typed_and_no_other() {
        let mut typed: Vec<String> = Kind::value_variants().iter().map(|it| it.name()).collect();
        let mut known = outrider_documents::Kind::ALL
            .map(|kind| kind.name())
            .to_vec();
        typed.sort();
        known.sort();
        assert_eq!(typed, known);
    }

    #[test]
    fn a_kind_is_typed_in_any_case_and_by_short_names() {
        let cases = [
            ("service", "Service"),
            ("svc", "Service"),
            ("SVC", "Service"),
            ("services", "Service"),
            ("tp", "TrafficPolicy"),
            ("policies", "TrafficPolicy"),
            ("grpcroute", "GRPCRoute"),
            ("routes", "GRPCRoute"),
            ("mesh", "Mesh"),
            ("authz", "AuthorizationPolicy"),
            ("authorizationpolicies", "AuthorizationPolicy"),
        ];
        for (typed, expected) in cases {
            let kind = Kind::from_str(typed, true);
            assert_eq!(kind.map(Kind::name).as_deref(), Ok(expected), "{typed}");
        }
        assert!(Kind::from_str("Servcie", true).is_err());
    }
}
