//! Is an endpoint to be used? Breaker and ejection, and the ceiling over ejection.

mod breaker;
mod ejection;
mod endpoint;
mod window;

pub use breaker::{Admission, Availability, Breaker, BreakerRules};
pub use ejection::{Ejection, OutlierRules, may_eject};
pub use endpoint::{EndpointHealth, HealthChange, HealthRules, Observation};
