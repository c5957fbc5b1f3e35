//! Our `ClusterPolicy`: what Envoy's `Cluster` cannot say.

use super::fields::{Fields, refuse_unenforced};
use super::{connections, rate_limit};
use outrider_policy::{BreakerRules, BudgetRules, ClusterPolicy};
use outrider_proto::envoy::core::Metadata;
use outrider_proto::{CLUSTER_POLICY, features, unpack, v1};

/// The features of `ClusterPolicy` that are enforced here.
const FEATURES: [&str; 5] = [
    features::RETRY_BUDGET,
    features::BREAKER,
    features::CONNECTIONS,
    features::CONNECTIONS_MAX,
    features::RATE_LIMITS,
];

/// Takes what the metadata of a cluster says into its policy.
pub(super) fn parse(
    metadata: &Option<Metadata>,
    policy: &mut ClusterPolicy,
    fields: &mut Fields<'_>,
) {
    let Some(metadata) = metadata else { return };
    refuse_unenforced!(fields, metadata, Metadata {
        enforced: typed_filter_metadata;
        refused: filter_metadata;
    });
    for (key, any) in &metadata.typed_filter_metadata {
        let mut fields = fields.at(&format!("typed_filter_metadata[{key}]"));
        if key != CLUSTER_POLICY {
            fields.refuse("value", "not enforced here");
            continue;
        }
        match unpack::<v1::ClusterPolicy>(any) {
            Ok(message) => parse_message(&message, policy, &mut fields),
            Err(error) => fields.refuse("type_url", error.to_string()),
        }
    }
}

fn parse_message(message: &v1::ClusterPolicy, policy: &mut ClusterPolicy, fields: &mut Fields<'_>) {
    let v1::ClusterPolicy {
        required_features,
        retry_budget,
        breaker,
        connections,
        connections_max,
        rate_limits,
    } = message;
    check_features(required_features, &FEATURES, fields);
    if let Some(budget) = retry_budget {
        policy.budget = parse_budget(budget, &mut fields.at("retry_budget"));
    }
    if let Some(breaker) = breaker {
        policy.health.breaker = Some(parse_breaker(breaker, &mut fields.at("breaker")));
    }
    if let Some(connections) = connections {
        policy.lifetimes = connections::parse(connections, &mut fields.at("connections"));
    }
    if *connections_max == Some(0) {
        fields.refuse("connections_max", "must be above zero");
    }
    policy.connections_max = *connections_max;
    policy.rate_limits = rate_limit::parse(rate_limits, fields);
}

/// A feature that we do not know would be dropped without a word: refuse it.
pub(super) fn check_features(required: &[String], known: &[&str], fields: &mut Fields<'_>) {
    for (index, feature) in required.iter().enumerate() {
        if !known.contains(&feature.as_str()) {
            let problem = format!("feature `{feature}` is not known here");
            fields.refuse(&format!("required_features[{index}]"), problem);
        }
    }
}

fn parse_budget(budget: &v1::RetryBudget, fields: &mut Fields<'_>) -> BudgetRules {
    let v1::RetryBudget {
        percent,
        min_per_second,
    } = budget;
    let default = BudgetRules::default();
    BudgetRules {
        percent: fields
            .percent("percent", *percent)
            .unwrap_or(default.percent),
        min_per_second: min_per_second.unwrap_or(default.min_per_second),
    }
}

fn parse_breaker(breaker: &v1::Breaker, fields: &mut Fields<'_>) -> BreakerRules {
    let v1::Breaker {
        failure_percent,
        window,
        min_calls,
        consecutive_failures,
        open_time,
        max_open_time,
    } = breaker;
    let default = BreakerRules::default();
    if *failure_percent == Some(0) {
        fields.refuse("failure_percent", "must be above zero");
    }
    let percent = fields.percent("failure_percent", *failure_percent);
    let window = fields.positive("window", window);
    let base = fields.positive("open_time", open_time);
    let longest = fields.positive("max_open_time", max_open_time);
    let rules = BreakerRules {
        failure_percent: percent.unwrap_or(default.failure_percent),
        window: window.unwrap_or(default.window),
        min_calls: min_calls.unwrap_or(default.min_calls),
        consecutive_failures: consecutive_failures.unwrap_or(default.consecutive_failures),
        open_time: base.unwrap_or(default.open_time),
        max_open_time: longest.unwrap_or(default.max_open_time),
        ..default
    };
    if rules.max_open_time < rules.open_time {
        fields.refuse("max_open_time", "shorter than open_time");
    }
    rules
}
