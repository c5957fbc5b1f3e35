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
