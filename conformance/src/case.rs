use std::{fmt, future::Future, pin::Pin};

use crate::{check::Check, cx::Cx};

pub(crate) type CaseFuture = Pin<Box<dyn Future<Output = Check> + Send>>;

/// One behaviour that the contract asks for, and the code that checks it.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    clauses: &'static [&'static str],
    level: Level,
    needs: &'static [Need],
    run: fn(Cx) -> CaseFuture,
}

/// The groups of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What every storage does.
    Core,
    /// Listing.
    Enumerate,
    /// Refresh leases.
    Lease,
    /// What survives closing, killing and damage.
    Durable,
    /// Several handles and several processes.
    Shared,
    /// Dropped futures, injected faults, odd keys and sizes, random sequences.
    Hostile,
}

/// What a case needs beyond [`Harness`](crate::Harness).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Declared by [`Suite::enumerates`](crate::Suite::enumerates).
    Enumeration,
    /// Declared by [`Suite::process_leases`](crate::Suite::process_leases) or
    /// [`Suite::timed_leases`](crate::Suite::timed_leases).
    Lease,
    /// A lease that is bound to its holder's process.
    ProcessLease,
    /// A lease that runs out.
    TimedLease,
    /// Declared by [`Suite::durable`](crate::Suite::durable).
    Durable,
    /// Declared by [`Suite::files`](crate::Suite::files).
    Files,
    /// Declared by [`Suite::processes`](crate::Suite::processes).
    Processes,
    /// Declared by [`Suite::faults`](crate::Suite::faults).
    Faults,
    /// Declared by [`Suite::shifted_clocks`](crate::Suite::shifted_clocks).
    ShiftedClocks,
    /// Declared by [`Suite::damaged_records`](crate::Suite::damaged_records).
    DamagedRecords,
    /// Declared by [`Suite::refused_writes`](crate::Suite::refused_writes).
    RefusedWrites,
    /// Declared by [`Suite::unreliable`](crate::Suite::unreliable).
    Unreliable,
    /// Declared by [`Suite::jumping_clocks`](crate::Suite::jumping_clocks).
    JumpingClocks,
    /// Declared by [`Suite::second_way`](crate::Suite::second_way).
    SecondWay,
    /// A place of its own for each case, [`Harness::exclusive`](crate::Harness::exclusive).
    ExclusivePlace,
}

impl Case {
    pub(crate) const fn new(
        level: Level,
        name: &'static str,
        clauses: &'static [&'static str],
        run: fn(Cx) -> CaseFuture,
    ) -> Self {
        let needs: &[Need] = match level {
            Level::Enumerate => &[Need::Enumeration],
            Level::Lease => &[Need::Lease],
            Level::Durable => &[Need::Durable],
            Level::Core | Level::Shared | Level::Hostile => &[],
        };
        Self {
            name,
            clauses,
            level,
            needs,
            run,
        }
    }

    /// Replaces what the level needs anyway.
    pub(crate) const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// `area::what_is_expected`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The clauses of the contract that it checks.
    pub fn clauses(&self) -> &'static [&'static str] {
        self.clauses
    }

    /// The group it belongs to.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What must be declared for it to run.
    pub fn required(&self) -> &'static [Need] {
        self.needs
    }

    pub(crate) fn start(&self, cx: Cx) -> CaseFuture {
        (self.run)(cx)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .field("clauses", &self.clauses)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl Level {
    /// All levels, in the order of reports.
    pub const ALL: [Self; 6] = [
        Self::Core,
        Self::Enumerate,
        Self::Lease,
        Self::Durable,
        Self::Shared,
        Self::Hostile,
    ];

    /// The name as a command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Enumerate => "enumerate",
            Self::Lease => "lease",
            Self::Durable => "durable",
            Self::Shared => "shared",
            Self::Hostile => "hostile",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Need {
    /// Why a case that needs this is ignored when it is not declared.
    pub(crate) fn missing(self) -> &'static str {
        match self {
            Self::Enumeration => "the harness does not declare that the storage enumerates",
            Self::Lease => "the harness does not declare leases",
            Self::ProcessLease => "for leases bound to the process",
            Self::TimedLease => "for timed leases",
            Self::Durable => "the harness does not declare durability",
            Self::Files => "the harness does not declare files",
            Self::Processes => "the harness does not declare several processes",
            Self::Faults => "the harness injects no faults",
            Self::ShiftedClocks => "the harness shifts no clocks",
            Self::DamagedRecords => "the harness damages no records",
            Self::RefusedWrites => "the harness refuses no writes",
            Self::Unreliable => "the harness has no unreliable network",
            Self::JumpingClocks => "the harness lets no clocks jump",
            Self::SecondWay => "the harness knows one way to open a place",
            Self::ExclusivePlace => "only in a place that no one else uses",
        }
    }
}
