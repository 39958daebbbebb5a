//! The other end.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use token_storage_core::TokenKey;

use super::locked;

/// What is at the other end: texts for records, bytes for leases.
#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(super) records: Mutex<BTreeMap<TokenKey, Vec<u8>>>,
    /// By the way it is reached: one for all, unless that is the flaw.
    pub(super) leases: Mutex<BTreeMap<(bool, TokenKey), Vec<u8>>>,
    pub(super) read_only: AtomicBool,
}

/// A change of one record: its key, what must be there, what is put there.
pub(super) type Change = (TokenKey, Expected, Option<Vec<u8>>);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expected {
    Anything,
    Exactly(Option<Vec<u8>>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Carried {
    Done,
    Contended,
    ReadOnly,
}

impl Server {
    pub(super) fn write(&self, changes: &[Change], torn: bool) -> Carried {
        let mut records = locked(&self.records);
        if self.read_only.load(Ordering::SeqCst) {
            if let (true, Some((key, _, new))) = (torn && changes.len() > 1, changes.first()) {
                put(&mut records, key, new);
            }
            return Carried::ReadOnly;
        }
        let holds = |(key, expected, _): &Change| match expected {
            Expected::Anything => true,
            Expected::Exactly(expected) => records.get(key) == expected.as_ref(),
        };
        if !changes.iter().all(holds) {
            return Carried::Contended;
        }
        changes.iter().for_each(|(key, _, new)| put(&mut records, key, new));
        Carried::Done
    }

    pub(super) fn swap_lease(&self, key: &(bool, TokenKey), expected: Option<&[u8]>, new: Option<&[u8]>) -> bool {
        let mut leases = locked(&self.leases);
        if leases.get(key).map(Vec::as_slice) != expected {
            return false;
        }
        match new {
            Some(new) => drop(leases.insert(key.clone(), new.to_vec())),
            None => drop(leases.remove(key)),
        }
        true
    }
}

pub(super) fn put(records: &mut BTreeMap<TokenKey, Vec<u8>>, key: &TokenKey, new: &Option<Vec<u8>>) {
    match new {
        Some(new) => drop(records.insert(key.clone(), new.clone())),
        None => drop(records.remove(key)),
    }
}
