//! What is done under the lease: looking again, seeing what a predecessor left behind, and redeeming.

use std::time::Duration;

use token_storage_core::{
    Acquisition, Intent, LeaseGuard, Precondition, RefreshFailure, RefreshFailureKind, Revision, Secret, StoredToken,
    TokenData, TokenKey, TokenStorageExt as _,
};

use super::{Lease, Program, now, sending::Answer};
use crate::flaw::Flaw;

impl Program {
    /// The lease, or the token that somebody else has brought. No guard at all is a flaw.
    pub(super) async fn acquire(&self, key: &TokenKey) -> Result<Result<Lease, Secret>, String> {
        if self.has(Flaw::NoLease) {
            return Ok(Ok(None));
        }
        let started = tokio::time::Instant::now();
        let mut waited = false;
        loop {
            let lease = self.storage.lease().ok_or("no lease")?;
            let retry_after = match lease.try_acquire(key).await {
                Ok(Acquisition::Acquired(_)) if waited && self.has(Flaw::GivesUpAfterWaiting) => {
                    return Err("another process was refreshing".into());
                }
                Ok(Acquisition::Acquired(_)) if waited && self.has(Flaw::TakesWhatIsThere) => {
                    return Ok(Err(self.read(key).await?.data.access_token));
                }
                Ok(Acquisition::Acquired(guard)) => return Ok(Ok(Some(guard))),
                Ok(Acquisition::Held { retry_after }) => retry_after,
                Err(_) if self.has(Flaw::LeaseErrorIsFree) => return Ok(Ok(None)),
                Err(error) => return Err(error.to_string()),
            };
            waited = true;
            let stored = self.read(key).await?.data;
            if self.is_good(&stored) {
                return Ok(Err(stored.access_token));
            }
            if self.has(Flaw::GoesAround) && started.elapsed() > Duration::from_secs(2) {
                return Ok(Ok(None));
            }
            if started.elapsed() > Duration::from_secs(60) {
                return Err("another process holds the lease".into());
            }
            tokio::time::sleep(retry_after.min(Duration::from_millis(100))).await;
        }
    }

    /// `None`: the record has moved on, so look again.
    pub(super) async fn with_lease(&self, key: &TokenKey, lease: &mut Lease) -> Result<Option<Secret>, String> {
        let stored = self.read(key).await?;
        if self.is_good(&stored.data) && !self.has(Flaw::LooksOnce) && !self.has(Flaw::AlwaysRefreshes) {
            return Ok(Some(stored.data.access_token));
        }
        if stored.data.refresh_token.is_none() && !self.has(Flaw::SendsWithoutRefreshToken) {
            return Err("log in again".into());
        }
        let guarded = self.succeed(lease.as_ref().and_then(|lease| lease.intent()), &stored)?;
        if let Some(lease) = lease.as_deref_mut() {
            self.prepare(key, &stored, guarded, lease).await?;
        }
        let (outcome, known) = self.redeem(key, stored, guarded, lease).await;
        if let (Some(lease), Some(intent)) = (lease, known) {
            let _ = match intent {
                Some(intent) => lease.record_intent(&intent).await,
                None if self.has(Flaw::LeavesItsIntent) => Ok(()),
                None => lease.clear_intent().await,
            };
        }
        outcome
    }

    /// Whether this is the guarded try after a holder that perhaps has spent the token.
    fn succeed(&self, intent: Option<&Intent>, stored: &StoredToken) -> Result<bool, String> {
        let about_this = |intent: &&Intent| match self.flaw {
            Some(Flaw::MournsForEver) => true,
            Some(Flaw::IgnoresIntents) => false,
            Some(Flaw::IntentByRevision) => intent.revision == stored.revision,
            _ => intent.concerns(stored),
        };
        let Some(intent) = intent.filter(about_this) else {
            return Ok(false);
        };
        let same = intent.revision == stored.revision;
        let Some(failure) = intent.failure() else {
            let is_over = intent.guarded && (same || self.has(Flaw::MournsForEver));
            return match is_over && !self.has(Flaw::TriesForEver) {
                true => Err("an earlier refresh ended without an answer; log in again".into()),
                false => Ok(true),
            };
        };
        let paused_until = intent.recorded_at + i64::try_from(failure.pause.as_secs()).unwrap();
        match failure.kind {
            RefreshFailureKind::Refused if same => Err("log in again".into()),
            _ if same && now() < paused_until => Err("the server asked for a pause".into()),
            _ => Ok(failure.may_have_been_done),
        }
    }

    /// All that has to be done before anything is sent.
    async fn prepare(
        &self,
        key: &TokenKey,
        stored: &StoredToken,
        guarded: bool,
        lease: &mut dyn LeaseGuard,
    ) -> Result<(), String> {
        match self.storage.prove_writable(key).await {
            Err(error) if !self.has(Flaw::IgnoresTheProof) => return Err(error.to_string()),
            _ => {}
        }
        if self.has(Flaw::RecordsNoIntent) || self.has(Flaw::RecordsTheIntentLate) {
            return Ok(());
        }
        let intent = match self.has(Flaw::IntentOfAnother) {
            true => of_another(),
            false => Intent::new(stored, guarded, now()),
        };
        match lease.record_intent(&intent).await {
            Err(error) if !self.has(Flaw::IgnoresTheIntentsFailure) => {
                let _ = lease.clear_intent().await;
                Err(error.to_string())
            }
            _ => Ok(()),
        }
    }

    /// The outcome, and what the intent must say from now on: what it says, something else, or nothing.
    async fn redeem(
        &self,
        key: &TokenKey,
        stored: StoredToken,
        guarded: bool,
        lease: &mut Lease,
    ) -> (Result<Option<Secret>, String>, Option<Option<Intent>>) {
        self.let_go(lease, Flaw::ReleasesBeforeSending, Flaw::ClearsBeforeSending)
            .await;
        let answer = self.send(&stored.data).await;
        if let Some(lease) = lease.as_deref_mut()
            && self.has(Flaw::RecordsTheIntentLate)
        {
            let _ = lease.record_intent(&Intent::new(&stored, guarded, now())).await;
        }
        match answer {
            Answer::Tokens(answer) => {
                self.let_go(lease, Flaw::ReleasesBeforeStoring, Flaw::ClearsBeforeStoring)
                    .await;
                (self.settle(key, stored, &answer).await, Some(None))
            }
            Answer::Refused(why) => self.refused(key, &stored, guarded, why).await,
            Answer::Failed {
                why,
                perhaps_done,
                pause,
            } => (Err(why), self.after_failure(&stored, guarded, perhaps_done, pause)),
        }
    }

    /// For flaws alone: ends early what covers the refresh.
    async fn let_go(&self, lease: &mut Lease, releases: Flaw, clears: Flaw) {
        if let Some(lease) = lease.as_deref_mut()
            && self.has(clears)
        {
            let _ = lease.clear_intent().await;
        }
        if self.has(releases)
            && let Some(lease) = lease.take()
        {
            let _ = lease.release().await;
        }
    }

    async fn refused(
        &self,
        key: &TokenKey,
        stored: &StoredToken,
        guarded: bool,
        why: String,
    ) -> (Result<Option<Secret>, String>, Option<Option<Intent>>) {
        let refusal = RefreshFailure::new(RefreshFailureKind::Refused);
        let known = match guarded {
            true => None,
            false if self.has(Flaw::ForgetsRefusals) || self.has(Flaw::AsksAgain) => Some(None),
            false => Some(Some(Intent::new(stored, false, now()).with_failure(refusal))),
        };
        if self.has(Flaw::NotesRefusals) {
            let mut data = stored.data.clone();
            data.extra.insert("refused", "true").unwrap();
            let _ = self.storage.store(key, &data, Precondition::Any).await;
        }
        if self.has(Flaw::RefusalRemoves) {
            let _ = self.storage.remove(key, Precondition::Any).await;
            return (Err(why), known);
        }
        if self.has(Flaw::RefusalRemovesNeighbours) {
            for neighbour in self.neighbours(key).await {
                let _ = self.storage.remove(&neighbour, Precondition::Any).await;
            }
        }
        match self.storage.get(key).await {
            Ok(Some(current)) if current.revision != stored.revision && !self.has(Flaw::RefusalIsFinal) => {
                (Ok(None), Some(None))
            }
            Ok(_) => {
                if !self.has(Flaw::AsksAgain) {
                    self.dead.lock().unwrap().push((key.clone(), stored.revision));
                }
                (Err(why), known)
            }
            Err(error) => (Err(error.to_string()), known),
        }
    }

    fn after_failure(
        &self,
        stored: &StoredToken,
        guarded: bool,
        perhaps_done: bool,
        pause: Option<Duration>,
    ) -> Option<Option<Intent>> {
        let intent = Intent::new(stored, false, now());
        if let Some(pause) = pause.filter(|_| !self.has(Flaw::ForgetsPauses)) {
            let mut failure = RefreshFailure::new(RefreshFailureKind::Transient);
            failure.pause = pause;
            failure.may_have_been_done = guarded || perhaps_done;
            return Some(Some(intent.with_failure(failure)));
        }
        match (perhaps_done, guarded) {
            (true, false) => None,
            (_, true) if self.has(Flaw::GuardedFailureIsFinal) => None,
            // A process that lives says so: the guarded try is not used up.
            (_, true) => Some(Some(intent)),
            (false, false) => Some(None),
        }
    }
}

/// An intent about a record that is not there.
fn of_another() -> Intent {
    let another = StoredToken {
        data: TokenData::new("another", "", "another"),
        revision: Revision::from_bytes(&[7; 16]).unwrap(),
    };
    Intent::new(&another, false, now())
}
