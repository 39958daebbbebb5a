use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::Finding;

type Listener = Arc<dyn Fn(&Finding) + Send + Sync>;

/// What a person should know although every call went well: a mode that was tightened, a damaged file that was kept aside.
///
/// A storage adds to it, whoever opened the storage reads it or listens. Clones share it. Each finding is kept once, and 100
/// at the most: a storage that is never asked must not collect for ever.
#[derive(Clone, Default)]
pub struct Warnings(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    findings: Vec<Finding>,
    listener: Option<Listener>,
}

const AT_MOST: usize = 100;

impl Warnings {
    /// Adds one. Says whether it is new, and so worth a line in a log.
    pub fn add(&self, finding: Finding) -> bool {
        let listener = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.findings.contains(&finding) || state.findings.len() >= AT_MOST {
                return false;
            }
            state.findings.push(finding.clone());
            state.listener.clone()
        };
        // Not under the lock: a listener may ask what there is.
        if let Some(listener) = listener {
            listener(&finding);
        }
        true
    }

    /// Those so far, in the order in which they came.
    pub fn all(&self) -> Vec<Finding> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.findings.clone()
    }

    /// Is told those so far, and each further one in the moment it comes, on the thread where it comes. It must not block.
    /// There is one listener; a second replaces it.
    pub fn listen(&self, listener: impl Fn(&Finding) + Send + Sync + 'static) {
        let listener: Listener = Arc::new(listener);
        let so_far = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.listener = Some(listener.clone());
            state.findings.clone()
        };
        so_far.iter().for_each(&*listener);
    }
}

impl fmt::Debug for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Severity;

    fn finding(message: &str) -> Finding {
        Finding::new(Severity::Warning, "here", message, "")
    }

    #[test]
    fn a_listener_hears_each_once() {
        let (warnings, heard) = (Warnings::default(), Arc::new(Mutex::new(Vec::new())));
        assert!(warnings.add(finding("before")));
        let ear = heard.clone();
        warnings.listen(move |finding| ear.lock().unwrap().push(finding.message.clone()));
        assert!(warnings.clone().add(finding("after")));
        assert!(!warnings.add(finding("after")));
        assert_eq!(*heard.lock().unwrap(), ["before", "after"]);
        assert_eq!(warnings.all(), [finding("before"), finding("after")]);
    }

    #[test]
    fn they_do_not_grow_for_ever() {
        let warnings = Warnings::default();
        let added = (0..1000).filter(|n| warnings.add(finding(&n.to_string()))).count();
        assert_eq!((added, warnings.all().len()), (AT_MOST, AT_MOST));
    }
}
