//! `outrider rotate`: the steps from one root certificate to the next.

use clap::ValueEnum;
use outrider_proto::v1;

use crate::failure::Failure;
use crate::{operator, output};

/// One step; the next one only after this one has reached every sidecar.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    operator: operator::Access,
    /// The step.
    step: Step,
    /// Retire the old root although members or tokens depend on it alone.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Step {
    /// A new root joins the bundle; the old one still signs.
    Add,
    /// The new root signs.
    Promote,
    /// The old root leaves the bundle.
    Retire,
}

/// Takes the step and prints the roots.
pub fn run(args: &Args) -> Result<(), Failure> {
    let step = match args.step {
        Step::Add => v1::RotationStep::Add,
        Step::Promote => v1::RotationStep::Promote,
        Step::Retire => v1::RotationStep::Retire,
    };
    let request = v1::RotateRootRequest {
        step: step.into(),
        force: args.force,
    };
    let v1::RotateRootResponse { roots, warning } = operator::change(
        &args.operator,
        "see the last `rotated` of `outrider events`",
        async |mut client| Ok(client.rotate_root(request).await?.into_inner()),
    )?;
    if !warning.is_empty() {
        eprintln!("the old root has retired although {warning}");
    }
    let roots = roots.iter().enumerate();
    let lines = roots.map(|(at, root)| format!("{root}{}\n", if at == 0 { " signs" } else { "" }));
    output::print(&lines.collect::<String>())
}
