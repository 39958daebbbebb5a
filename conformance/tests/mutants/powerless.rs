//! Correct storages whose harness has a power that does nothing: a case that leans on it must not be green.

use std::{marker::PhantomData, sync::Arc};

use token_storage_conformance::{
    ClockJumping, ClockShifting, Clocks, FaultInjecting, FaultInjector, Harness, Mishap, Network, RecordDamaging,
    Requests, SecondWay, Suite, Unreliable, Verdict, WriteRefusing,
};
use token_storage_core::{Result, TokenKey, TokenStorage, async_trait};

use crate::{
    Mutant,
    flaw::InMemory,
    timed::{self, Timed},
    wire::{Correct, Server, Wired},
};

/// The harness of the correct client, with what is wrong with it.
struct Powerless<P> {
    inner: Wired<Correct>,
    powers: PhantomData<fn() -> P>,
}

/// What is left of its powers.
trait Powers: Send + Sync + 'static {
    const INJECTS: bool = true;
    /// Whether it counts what it does not inject.
    const BOASTS: bool = false;
    /// A mishap that does not happen.
    const NEVER: Option<Mishap> = None;
    const DAMAGES: bool = true;
    const REFUSES: bool = true;
    const SECOND_WAY: Way = Way::Another;
    const JUMPS: bool = true;
}

#[derive(PartialEq)]
enum Way {
    Another,
    /// Another handle onto the same.
    TheSame,
    /// One handle, whatever it is called.
    TheSameHandle,
}

macro_rules! powers {
    ($($(#[$meta:meta])* $name:ident { $($constant:ident: $type:ty = $value:expr;)* })*) => {
        $(
            $(#[$meta])*
            struct $name;

            impl Powers for $name {
                $(const $constant: $type = $value;)*
            }
        )*
    };
}

powers! {
    /// Its network loses nothing.
    InjectsNothing { INJECTS: bool = false; }
    /// Its network loses nothing and counts what it should have lost.
    BoastsOfFaults { INJECTS: bool = false; BOASTS: bool = true; }
    /// Its answers are never lost.
    LosesNoAnswer { NEVER: Option<Mishap> = Some(Mishap::AnswerLost); }
    /// Nothing is ever late.
    DelaysNothing { NEVER: Option<Mishap> = Some(Mishap::Delayed); }
    /// Nothing ever comes twice.
    DuplicatesNothing { NEVER: Option<Mishap> = Some(Mishap::Duplicated); }
    /// It damages nothing.
    DamagesNothing { DAMAGES: bool = false; }
    /// It lets everybody write.
    RefusesNothing { REFUSES: bool = false; }
    /// It knows one way.
    KnowsOneWay { SECOND_WAY: Way = Way::TheSame; }
    /// It hands out one handle.
    HandsOutOneHandle { SECOND_WAY: Way = Way::TheSameHandle; }
    /// Its clocks run on.
    LetsNothingJump { JUMPS: bool = false; }
}

/// A network that does a part of what it is told.
struct Weak<P> {
    inner: Box<dyn Network>,
    told: std::sync::atomic::AtomicUsize,
    powers: PhantomData<fn() -> P>,
}

#[async_trait]
impl<P: Powers> Network for Weak<P> {
    fn plan(&self, requests: Requests, mishap: Mishap, count: Option<usize>) {
        self.told.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if P::INJECTS && P::NEVER != Some(mishap) {
            self.inner.plan(requests, mishap, count);
        }
    }

    fn heal(&self) {
        self.inner.heal();
    }

    async fn deliver(&self) {
        self.inner.deliver().await;
    }

    fn struck(&self) -> usize {
        // More with each time it is asked.
        let boasted = self
            .told
            .fetch_add(usize::from(P::BOASTS), std::sync::atomic::Ordering::SeqCst);
        self.inner.struck() + if P::BOASTS { boasted } else { 0 }
    }
}

/// Breaks nothing.
struct Harmless;

impl FaultInjector for Harmless {
    fn lose_next_answer(&self) {}

    fn lose_next_request(&self) {}

    fn disconnect(&self) {}

    fn reconnect(&self) {}

    fn struck(&self) -> usize {
        0
    }
}

/// Stand still where they should jump.
struct Steady;

impl Clocks for Steady {
    fn set_wall(&self, _: i64) {}

    fn leap_monotonic(&self, _: u64) {}
}

/// A place, and the one handle onto it.
struct Place {
    server: Arc<Server>,
    handle: Arc<dyn TokenStorage>,
}

#[async_trait]
impl<P: Powers> Harness for Powerless<P> {
    type Place = Place;

    async fn fresh(&self) -> Result<Place> {
        let server = self.inner.fresh().await?;
        let handle = self.inner.reopen(&server).await?;
        Ok(Place { server, handle })
    }

    async fn reopen(&self, place: &Place) -> Result<Arc<dyn TokenStorage>> {
        match P::SECOND_WAY {
            Way::TheSameHandle => Ok(Arc::clone(&place.handle)),
            _ => self.inner.reopen(&place.server).await,
        }
    }
}

#[async_trait]
impl<P: Powers> Unreliable for Powerless<P> {
    async fn reopen_unreliable(&self, place: &Place) -> Result<(Arc<dyn TokenStorage>, Box<dyn Network>)> {
        let (storage, inner) = self.inner.reopen_unreliable(&place.server).await?;
        let weak = Weak::<P> {
            inner,
            told: std::sync::atomic::AtomicUsize::new(0),
            powers: PhantomData,
        };
        Ok((storage, Box::new(weak)))
    }
}

#[async_trait]
impl<P: Powers> FaultInjecting for Powerless<P> {
    async fn reopen_faulty(&self, place: &Place) -> Result<(Arc<dyn TokenStorage>, Box<dyn FaultInjector>)> {
        Ok((self.inner.reopen(&place.server).await?, Box::new(Harmless)))
    }
}

#[async_trait]
impl<P: Powers> RecordDamaging for Powerless<P> {
    async fn overwrite(&self, place: &Place, key: &TokenKey, bytes: &[u8]) -> Result<()> {
        match P::DAMAGES {
            true => self.inner.overwrite(&place.server, key, bytes).await,
            false => Ok(()),
        }
    }
}

#[async_trait]
impl<P: Powers> WriteRefusing for Powerless<P> {
    async fn refuse_writes(&self, place: &Place, refuse: bool) -> Result<(), String> {
        self.inner.refuse_writes(&place.server, refuse && P::REFUSES).await
    }
}

#[async_trait]
impl<P: Powers> SecondWay for Powerless<P> {
    async fn reopen_otherwise(&self, place: &Place) -> Result<Arc<dyn TokenStorage>> {
        match P::SECOND_WAY {
            Way::Another => self.inner.reopen_otherwise(&place.server).await,
            _ => self.reopen(place).await,
        }
    }

    fn ways(&self, place: &Place) -> [String; 2] {
        let [one, other] = self.inner.ways(&place.server);
        match P::SECOND_WAY {
            Way::TheSame => [one.clone(), one],
            _ => [one, other],
        }
    }
}

#[async_trait]
impl<P: Powers> ClockJumping for Powerless<P> {
    async fn reopen_jumping(&self, place: &Place) -> Result<(Arc<dyn TokenStorage>, Box<dyn Clocks>)> {
        let (storage, clocks) = self.inner.reopen_jumping(&place.server).await?;
        Ok((storage, if P::JUMPS { clocks } else { Box::new(Steady) }))
    }
}

/// Its machines' wall clocks agree, whatever it is told.
struct ShiftsNothing(InMemory<Timed<timed::Correct>>);

#[async_trait]
impl Harness for ShiftsNothing {
    type Place = Timed<timed::Correct>;

    async fn fresh(&self) -> Result<Self::Place> {
        self.0.fresh().await
    }

    async fn reopen(&self, place: &Self::Place) -> Result<Arc<dyn TokenStorage>> {
        self.0.reopen(place).await
    }
}

#[async_trait]
impl ClockShifting for ShiftsNothing {
    async fn reopen_shifted(&self, place: &Self::Place, _: i64) -> Result<Arc<dyn TokenStorage>> {
        self.0.reopen(place).await
    }

    fn looked(&self, place: &Self::Place) -> usize {
        self.0.looked(place)
    }
}

fn shifts_nothing(name: &'static str, caught_by: &'static str) -> Mutant {
    let suite = Suite::new(name, ShiftsNothing(InMemory::new())).enumerates();
    let plan = suite.timed_leases().shifted_clocks().plan();
    Mutant { name, caught_by, plan }
}

fn powerless<P: Powers>(name: &'static str, caught_by: &'static str) -> Mutant {
    let harness = Powerless::<P> {
        inner: Wired::new(),
        powers: PhantomData,
    };
    let suite = Suite::new(name, harness).enumerates().timed_leases();
    let suite = suite.faults().unreliable().damaged_records().refused_writes();
    let plan = suite.second_way().jumping_clocks().plan();
    Mutant { name, caught_by, plan }
}

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        powerless::<InjectsNothing>(
            "a network loses no request",
            "network::a_write_whose_requests_are_lost_is_not_acknowledged",
        ),
        powerless::<BoastsOfFaults>(
            "a network boasts of lost requests",
            "network::a_write_whose_requests_are_lost_is_not_acknowledged",
        ),
        powerless::<BoastsOfFaults>(
            "a network boasts of lost answers",
            "network::a_write_whose_answers_are_all_lost_may_have_happened",
        ),
        powerless::<BoastsOfFaults>(
            "a network boasts of lost reads",
            "network::a_read_whose_answer_is_lost_is_not_absent",
        ),
        powerless::<BoastsOfFaults>(
            "a network boasts of lost leases",
            "network::a_lease_whose_answer_is_lost_can_be_had_in_the_end",
        ),
        powerless::<BoastsOfFaults>(
            "a network boasts of lost renewals",
            "network::a_holder_whose_answers_are_lost_is_still_the_holder",
        ),
        powerless::<LosesNoAnswer>(
            "a network loses no answer",
            "network::a_refusal_whose_answer_is_lost_is_no_success",
        ),
        powerless::<LosesNoAnswer>(
            "a network loses no answer to an intent",
            "network::an_intent_that_was_acknowledged_is_there",
        ),
        powerless::<LosesNoAnswer>(
            "a network loses no answer to a release",
            "network::a_release_whose_answer_is_lost_frees_it_in_the_end",
        ),
        powerless::<DelaysNothing>(
            "a network delays nothing",
            "network::a_late_request_undoes_no_newer_write",
        ),
        powerless::<DuplicatesNothing>(
            "a network duplicates nothing",
            "network::a_duplicate_undoes_no_newer_write",
        ),
        powerless::<InjectsNothing>(
            "an injector loses no answer",
            "faults::a_store_whose_answer_is_lost_is_no_conflict",
        ),
        powerless::<InjectsNothing>(
            "an injector loses no request",
            "faults::a_request_that_is_lost_is_not_acknowledged",
        ),
        powerless::<InjectsNothing>(
            "an injector disconnects nobody",
            "faults::out_of_reach_is_an_error_and_not_absent",
        ),
        powerless::<DamagesNothing>("a harness damages nothing", "damage::a_damaged_record_hides_no_other"),
        powerless::<DamagesNothing>(
            "a harness damages no token",
            "damage::errors_of_damaged_records_show_no_token",
        ),
        powerless::<RefusesNothing>("a harness refuses nothing", "refusals::a_refused_write_changes_nothing"),
        powerless::<RefusesNothing>(
            "a harness lets everything be proven",
            "refusals::what_refuses_writes_is_not_proven_writable",
        ),
        powerless::<KnowsOneWay>(
            "a harness knows one way",
            "handles::a_second_way_leads_to_the_same_records",
        ),
        powerless::<HandsOutOneHandle>(
            "a harness hands out one handle",
            "handles::writers_on_two_ways_lose_nothing",
        ),
        powerless::<LetsNothingJump>(
            "a harness sets no clock back",
            "lease::a_wall_clock_that_is_set_back_gives_no_time",
        ),
        powerless::<LetsNothingJump>(
            "a harness sets no waiter's clock",
            "lease::a_waiters_wall_clock_takes_nothing_over",
        ),
        shifts_nothing(
            "a harness shifts no clock",
            "lease::wall_clocks_that_disagree_change_nothing",
        ),
    ]
}

/// The message blames the harness, or names it beside the storage where nothing tells them apart.
pub(crate) fn each_is_named() -> Result<(), libtest_mimic::Failed> {
    for mutant in mutants() {
        let case = mutant.plan.cases().iter().find(|case| case.name() == mutant.caught_by);
        let report = mutant.plan.run(case.expect("the suite has the case"));
        let Verdict::Failed(failure) = &report.verdict else {
            return Err(format!("{}: {report}", mutant.name).into());
        };
        if !failure.got.contains("harness") {
            return Err(format!("{}: nothing is said of the harness: {report}", mutant.name).into());
        }
    }
    Ok(())
}
