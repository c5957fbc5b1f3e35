//! The documents of the demo: what a team would keep in its repository.

use std::{fmt::Write, fs, io, path::Path};

/// How calls to `inventory` are shared between its two versions, in parts of 100.
#[derive(Clone, Copy)]
pub struct RouteWeights {
    pub old: u32,
    pub new: u32,
}

/// One service's methods and what may be done with them.
struct Contract {
    service: &'static str,
    grpc_service: &'static str,
    /// Unary methods that may be repeated.
    idempotent: &'static str,
    /// Unary methods that must not happen twice.
    once: &'static str,
}

#[rustfmt::skip] // A table: one service a line.
const CONTRACTS: [Contract; 4] = [
    Contract { service: "frontend", grpc_service: "shop.v1.Frontend", idempotent: "ShowOrder", once: "Checkout" },
    Contract { service: "orders", grpc_service: "shop.v1.Orders", idempotent: "Get", once: "Place" },
    Contract { service: "inventory", grpc_service: "shop.v1.Inventory", idempotent: "Look", once: "Reserve" },
    Contract { service: "payments", grpc_service: "shop.v1.Payments", idempotent: "Find", once: "Charge" },
];

/// Reached through `inventory`, it has no methods of its own.
const NEW_INVENTORY: &str = "inventory-v2";

/// Every call is traced if there is a collector.
const MESH: &str = "apiVersion: outrider.dev/v1
kind: Mesh
metadata: { name: demo }
spec: { tracing: { samplePercent: 100 } }
";

/// Writes the documents of all services; where they run, the sidecars announce. All calls go to
/// the old version of `inventory`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path) -> io::Result<()> {
    for contract in &CONTRACTS {
        let text = service(contract.service, Some(contract.grpc_service)) + &policy(contract);
        fs::write(folder.join(format!("{}.yaml", contract.service)), text)?;
    }
    let file = folder.join(format!("{NEW_INVENTORY}.yaml"));
    fs::write(file, service(NEW_INVENTORY, None))?;
    fs::write(folder.join("mesh.yaml"), MESH)?;
    weigh(folder, RouteWeights { old: 100, new: 0 })
}

/// Replaces the document that shares the calls to `inventory`, in one step.
///
/// # Errors
/// When the file cannot be written.
pub fn weigh(folder: &Path, weights: RouteWeights) -> io::Result<()> {
    let unfinished = folder.join(".inventory-route");
    fs::write(&unfinished, route(weights))?;
    fs::rename(unfinished, folder.join("inventory-route.yaml"))
}

fn service(name: &str, grpc_service: Option<&str>) -> String {
    let mut text = format!(
        "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec:\n"
    );
    if let Some(grpc_service) = grpc_service {
        let _ = writeln!(text, "  grpcServices: [{grpc_service}]");
    }
    text.push_str("  endpoints: { registered: {} }\n");
    text
}

/// The time limits are far above what the demo needs, so that a busy machine fails no call.
fn policy(contract: &Contract) -> String {
    let Contract {
        service,
        grpc_service,
        idempotent,
        once,
    } = contract;
    format!(
        "---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: {{ name: {service} }}
spec:
  targetRefs: [ {{ kind: Service, name: {service} }} ]
  timeout: 5s
  retry: {{ attempts: 2, on: [UNAVAILABLE], budget: {{ percent: 20, minPerSecond: 3 }} }}
  outlierDetection: {{ consecutiveFailures: 3, baseEjectionTime: 1s, maxEjectionPercent: 50 }}
  methods:
    - {{ name: {grpc_service}/{idempotent}, unary: true, idempotent: true }}
    - {{ name: {grpc_service}/{once}, unary: true }}
"
    )
}

fn route(weights: RouteWeights) -> String {
    let RouteWeights { old, new } = weights;
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {{ name: inventory }}
spec:
  parentRefs: [ {{ group: outrider.dev, kind: Service, name: inventory }} ]
  rules:
    - backendRefs:
        - {{ group: outrider.dev, kind: Service, name: inventory, weight: {old} }}
        - {{ group: outrider.dev, kind: Service, name: inventory-v2, weight: {new} }}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path) -> Vec<(String, String)> {
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files
            .map(|path| {
                (
                    path.display().to_string(),
                    fs::read_to_string(&path).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn they_are_accepted_before_and_after_the_weights_change() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        for weights in [
            RouteWeights { old: 100, new: 0 },
            RouteWeights { old: 50, new: 50 },
        ] {
            weigh(folder.path(), weights).unwrap();
            let files = read(folder.path());
            let files: Vec<_> = files
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str()))
                .collect();
            let documents = outrider_documents::load(&files).unwrap();
            assert_eq!(documents.service_names().count(), CONTRACTS.len() + 1);
        }
    }
}
