//! `AuthorizationPolicy` as it is written: Istio's shape.
//!
//! What Istio has and the mesh does not enforce is [`Unenforced`], so that it is refused by name.

use super::{Reference, Unenforced};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// A list of texts; absent is not the same as empty, which is refused.
pub(crate) type Texts = Option<Spanned<Vec<Spanned<String>>>>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AuthorizationPolicySpec {
    pub target_refs: Spanned<Vec<Reference>>,
    pub selector: Unenforced,
    pub action: Option<Spanned<Action>>,
    pub provider: Unenforced,
    pub dry_run: Option<Spanned<bool>>,
    #[serde(default)]
    pub rules: Vec<Spanned<AuthorizationRule>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Action {
    #[default]
    Allow,
    Deny,
    Audit,
    Custom,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AuthorizationRule {
    pub from: Option<Spanned<Vec<From>>>,
    pub to: Option<Spanned<Vec<To>>>,
    pub when: Option<Spanned<Vec<Condition>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct From {
    pub source: Spanned<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Source {
    pub principals: Texts,
    pub not_principals: Texts,
    pub namespaces: Texts,
    pub not_namespaces: Texts,
    pub trust_domains: Texts,
    pub not_trust_domains: Texts,
    pub request_principals: Unenforced,
    pub not_request_principals: Unenforced,
    pub ip_blocks: Unenforced,
    pub not_ip_blocks: Unenforced,
    pub remote_ip_blocks: Unenforced,
    pub not_remote_ip_blocks: Unenforced,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct To {
    pub operation: Spanned<Operation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Operation {
    pub grpc_services: Texts,
    pub not_grpc_services: Texts,
    pub grpc_methods: Texts,
    pub not_grpc_methods: Texts,
    pub methods: Texts,
    pub not_methods: Texts,
    pub paths: Texts,
    pub not_paths: Texts,
    pub hosts: Unenforced,
    pub not_hosts: Unenforced,
    pub ports: Unenforced,
    pub not_ports: Unenforced,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Condition {
    pub key: Spanned<String>,
    pub values: Texts,
    pub not_values: Texts,
}
