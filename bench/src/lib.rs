//! Scenarios whose cost is measured and held: what they share.
