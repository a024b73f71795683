//! What the operator costs and how quick it is, beside what this machine can do at most.
//!
//! Each measurement starts a control plane and a Jira simulator of its own, runs the operator's release program against both, and
//! then lets a [bare client](bare) do the same work: ratios to it are the result, seconds are remarks. A measurement prints a
//! table and writes `target/bench/NAME.json`. A number that misses its target is marked, and changes no exit status: the machine
//! at hand may be another one than the targets are for.

#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking, as a test does")]
#![expect(clippy::cast_precision_loss, reason = "counts of objects and milliseconds are far below 2^52")]

mod bare;
mod cold_start;
mod estate;
mod foreign;
mod hot;
mod latency;
mod machine;
mod observer;
mod one_host;
mod process;
mod quantile;
mod restart;
mod rig;
mod steady;
mod table;
mod traffic;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use tests::operator::Program;

use self::{machine::Machine, table::Table};

/// Measures the operator.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// Smaller numbers and a program that is not optimised, for a look at whether everything works.
    #[arg(long)]
    pub quick: bool,
    /// How many connections, in place of the usual numbers: `100,1000`.
    #[arg(long, value_delimiter = ',')]
    pub sizes: Vec<usize>,
    /// The operator's program, in place of the one that cargo builds with the profile `release`.
    #[arg(long)]
    pub program: Option<PathBuf>,
    /// More arguments for the operator.
    #[arg(long = "operator-argument", allow_hyphen_values = true)]
    pub operator_arguments: Vec<String>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    /// What to measure; everything where nothing is named.
    #[arg(value_enum)]
    measurements: Vec<Measurement>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// From nothing to everything ready, and back to work after a restart.
    ColdStart,
    /// The same where one slow Jira serves all, and its budget is the bound.
    OneHost,
    /// From a change to the status that tells of it.
    Latency,
    /// When nothing happens.
    Steady,
    /// Secrets that concern nobody.
    Foreign,
    /// One connection that is edited again and again.
    Hot,
}

impl Arguments {
    /// The operator that is measured. For a quick look, the one that the tests have built is good enough.
    fn program(&self) -> Program {
        match &self.program {
            Some(path) => Program::At(path.clone()),
            None if self.quick => Program::Dev,
            None => Program::Release,
        }
    }

    /// The numbers of connections to measure with.
    fn sizes_or(&self, quick: &[usize], full: &[usize]) -> Vec<usize> {
        match (self.sizes.as_slice(), self.quick) {
            ([], true) => quick.to_vec(),
            ([], false) => full.to_vec(),
            (sizes, _) => sizes.to_vec(),
        }
    }

    fn wants(&self, measurement: Measurement) -> bool {
        self.measurements.is_empty() || self.measurements.contains(&measurement)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments = Arguments::parse();
    let machine = Machine::look();
    println!("{machine}");
    if arguments.quick {
        println!("a quick look: counts mean something, times do not");
    }
    for measurement in Measurement::value_variants().iter().filter(|it| arguments.wants(**it)) {
        let tables: Vec<Table> = match measurement {
            Measurement::ColdStart => Box::pin(cold_start::measure(&arguments)).await,
            Measurement::OneHost => vec![Box::pin(one_host::measure(&arguments)).await],
            Measurement::Latency => vec![Box::pin(latency::measure(&arguments)).await],
            Measurement::Steady => vec![Box::pin(steady::measure(&arguments)).await],
            Measurement::Foreign => vec![Box::pin(foreign::measure(&arguments)).await],
            Measurement::Hot => vec![Box::pin(hot::measure(&arguments)).await],
        };
        for table in tables {
            println!("\n{table}");
            let path = table.write(&machine);
            println!("written to {}", path.display());
        }
    }
}
