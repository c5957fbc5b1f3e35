//! The kinds of documents: the one list of them.

/// Our own API group and version.
const OURS: &str = "outrider.dev/v1";

/// The Gateway API's.
const GATEWAY: &str = "gateway.networking.k8s.io/v1";

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What holds for all services.
    Mesh,
    /// A service and where it runs.
    Service,
    /// How calls to a service are treated.
    TrafficPolicy,
    /// Who may call a service.
    AuthorizationPolicy,
    /// Which calls go to which service.
    GrpcRoute,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] = [
        Kind::Mesh,
        Kind::Service,
        Kind::TrafficPolicy,
        Kind::AuthorizationPolicy,
        Kind::GrpcRoute,
    ];

    /// As documents write it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Mesh => "Mesh",
            Kind::Service => "Service",
            Kind::TrafficPolicy => "TrafficPolicy",
            Kind::AuthorizationPolicy => "AuthorizationPolicy",
            Kind::GrpcRoute => "GRPCRoute",
        }
    }

    /// The `apiVersion` that is written with it.
    pub(crate) fn api_version(self) -> &'static str {
        match self {
            Kind::Mesh | Kind::Service | Kind::TrafficPolicy | Kind::AuthorizationPolicy => OURS,
            Kind::GrpcRoute => GATEWAY,
        }
    }

    /// The kind that is written so.
    ///
    /// # Errors
    /// What is wrong with the pair, and what would be right.
    pub(crate) fn find(api_version: &str, name: &str) -> Result<Kind, String> {
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else {
            return Err(unknown(name));
        };
        match kind.api_version() {
            right if right == api_version => Ok(kind),
            right => Err(format!(
                "{name} has `apiVersion: {right}`, not `{api_version}`"
            )),
        }
    }
}

fn unknown(name: &str) -> String {
    if ["HTTPRoute", "RequestAuthentication"].contains(&name) {
        return format!("kind {name} is not enforced yet");
    }
    let [first @ .., last] = Kind::ALL.map(Kind::name);
    format!("unknown kind `{name}`: {} or {last}", first.join(", "))
}
