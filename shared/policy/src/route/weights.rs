//! A weighted choice among the clusters of a route.

use crate::random::scale;

/// A cluster and its share of the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedCluster {
    /// Name of the cluster.
    pub cluster: String,
    /// Share relative to the sum of all weights; 0 takes no calls.
    pub weight: u32,
}

/// Picks a cluster by weight with one random number; `None` if no weight is above zero.
pub fn pick_weighted(clusters: &[WeightedCluster], random: u64) -> Option<usize> {
    let total: u64 = clusters
        .iter()
        .map(|cluster| u64::from(cluster.weight))
        .sum();
    let mut point = scale(random, total);
    for (index, cluster) in clusters.iter().enumerate() {
        let weight = u64::from(cluster.weight);
        if point < weight {
            return Some(index);
        }
        point -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clusters(weights: &[u32]) -> Vec<WeightedCluster> {
        let cluster = |weight: &u32| WeightedCluster {
            cluster: String::new(),
            weight: *weight,
        };
        weights.iter().map(cluster).collect()
    }

    #[test]
    fn without_a_weight_there_is_no_pick() {
        assert_eq!(pick_weighted(&[], 7), None);
        assert_eq!(pick_weighted(&clusters(&[0, 0]), 7), None);
    }

    #[test]
    fn random_numbers_are_shared_out_by_weight() {
        let clusters = clusters(&[1, 0, 3]);
        let picks = [0, 1, 2, 3].map(|quarter: u64| pick_weighted(&clusters, quarter << 62));
        assert_eq!(picks, [Some(0), Some(2), Some(2), Some(2)]);
        assert_eq!(pick_weighted(&clusters, u64::MAX), Some(2));
    }

    proptest! {
        #[test]
        fn a_pick_has_a_weight(weights in proptest::collection::vec(any::<u32>(), 0..6), random: u64) {
            let picked = pick_weighted(&clusters(&weights), random);
            prop_assert_eq!(picked.is_some(), weights.iter().any(|weight| *weight > 0));
            prop_assert!(picked.is_none_or(|index| weights[index] > 0));
        }
    }
}
