//! How the refreshes of one key stand in this process.

use std::{mem, time::Duration};

use token_storage_core::Revision;
use tokio::sync::watch;

use super::{AccessToken, ManagerError, ManagerErrorKind, ReauthReason, hold_off::HoldOff};

pub(super) type Outcome = Result<AccessToken, ManagerError>;

/// Where a refresh tells how it ended; `None` while it is under way.
pub(super) type Told = watch::Receiver<Option<Outcome>>;

#[derive(Debug, Default)]
pub(super) enum Refreshing {
    /// Nothing is in the way of one.
    #[default]
    Possible,
    UnderWay {
        outcome: Told,
        /// The pause that there was before, as pauses grow.
        before: Option<HoldOff>,
    },
    /// One failed in a way that may pass.
    Paused(HoldOff),
    /// The server refused the refresh token of this revision for good.
    Refused(Revision, ManagerError),
    /// A refreshed token waits to be stored, and is in the error.
    Unstored(ManagerError),
}

/// What joining a refresh led to.
pub(super) enum Joined {
    /// There is one under way.
    Wait(Told),
    /// The caller starts it, and reports to this sender.
    Start(watch::Sender<Option<Outcome>>, Told),
    /// No request may be made now.
    Not(ManagerError),
}

impl Refreshing {
    /// Joins the one under way, or becomes the one to start it, of the record at this revision.
    pub(super) fn join(&mut self, revision: Revision, monotonic: Duration) -> Joined {
        let obstacle = match self {
            Self::UnderWay { outcome, .. } if outcome.has_changed().is_ok() => return Joined::Wait(outcome.clone()),
            Self::Unstored(error) => Some(error.clone()),
            Self::Refused(refused, error) if *refused == revision => Some(error.clone()),
            Self::Paused(pause) => pause.error_at(monotonic),
            Self::Possible | Self::UnderWay { .. } | Self::Refused(..) => None,
        };
        if let Some(error) = obstacle {
            return Joined::Not(error);
        }
        let (sender, outcome) = watch::channel(None);
        let before = self.take_pause();
        *self = Self::UnderWay {
            outcome: outcome.clone(),
            before,
        };
        Joined::Start(sender, outcome)
    }

    pub(super) fn under_way(&self) -> Option<&Told> {
        match self {
            Self::UnderWay { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// The one under way ended without a result.
    pub(super) fn broke_off(&mut self) {
        *self = self.take_pause().map_or(Self::Possible, Self::Paused);
    }

    /// The one under way failed; `tried`: the revision whose refresh token the server was asked about.
    pub(super) fn failed(&mut self, error: &ManagerError, tried: Option<Revision>, monotonic: Duration) {
        let before = self.take_pause();
        *self = match error.kind() {
            // Of `Unrecognized`, the server is asked again some time later.
            ManagerErrorKind::ReauthRequired(ReauthReason::Unrecognized)
            | ManagerErrorKind::Transient
            | ManagerErrorKind::ClientRejected => Self::Paused(HoldOff::after(error, before.as_ref(), monotonic)),
            ManagerErrorKind::ReauthRequired(_) => {
                tried.map_or(Self::Possible, |revision| Self::Refused(revision, error.clone()))
            }
            ManagerErrorKind::NotStored if error.token().is_some() => Self::Unstored(error.clone()),
            _ => before.map_or(Self::Possible, Self::Paused),
        };
    }

    /// Forgets failures. What is under way goes on, and so does the storing of a token.
    pub(super) fn forget_failures(&mut self) {
        match self {
            Self::UnderWay { before, .. } => *before = None,
            Self::Unstored(_) => {}
            Self::Possible | Self::Paused(_) | Self::Refused(..) => *self = Self::Possible,
        }
    }

    /// The token that waited is stored now, or will never be.
    pub(super) fn settled(&mut self) {
        if matches!(self, Self::Unstored(_)) {
            *self = Self::Possible;
        }
    }

    /// Whether forgetting it would cost nothing.
    pub(super) fn is_idle(&self, monotonic: Duration) -> bool {
        match self {
            Self::Possible | Self::Refused(..) => true,
            Self::Paused(pause) => pause.error_at(monotonic).is_none(),
            Self::UnderWay { .. } | Self::Unstored(_) => false,
        }
    }

    fn take_pause(&mut self) -> Option<HoldOff> {
        match mem::take(self) {
            Self::Paused(pause) => Some(pause),
            Self::UnderWay { before, .. } => before,
            Self::Possible | Self::Refused(..) | Self::Unstored(_) => None,
        }
    }
}
