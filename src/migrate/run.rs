//! Many records.

use token_storage_core::{Enumerate, Error, ErrorKind, Operation, Result, TokenKey};

use super::{Migration, Outcome, Selection, Tally};

impl Migration<'_> {
    /// Moves the selected records one after the other, in the memory of one page of keys, and tells each outcome. Ends at
    /// the first error; to go on, run it again.
    ///
    /// # Errors
    /// - [`InvalidInput`](ErrorKind::InvalidInput): several namespaces would go into one; nothing was moved.
    /// - [`Misconfigured`](ErrorKind::Misconfigured): the source cannot list what is in it; name the keys.
    /// - Those of [`carry`](Migration::carry).
    pub async fn run(&self, selection: &Selection, mut told: impl FnMut(&TokenKey, &Outcome)) -> Result<Tally> {
        let mut tally = Tally::default();
        match selection {
            Selection::Keys(keys) => self.keys(keys, &mut tally, &mut told).await?,
            Selection::Namespace(namespace) => {
                let enumerate = self.enumerate()?;
                self.namespace(&*enumerate, namespace, &mut tally, &mut told).await?;
            }
            Selection::All if self.to_namespace.is_some() => {
                let message = "all namespaces cannot go into one, where keys of two could meet; name the one to move";
                return Err(Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::List));
            }
            Selection::All => self.all(&mut tally, &mut told).await?,
        }
        Ok(tally)
    }

    fn enumerate(&self) -> Result<Box<dyn Enumerate + '_>> {
        self.from.enumerate().ok_or_else(|| {
            let message = "this storage cannot list what is in it; name the keys that are to be moved";
            Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::List)
        })
    }

    async fn all(&self, tally: &mut Tally, told: &mut impl FnMut(&TokenKey, &Outcome)) -> Result<()> {
        let enumerate = self.enumerate()?;
        let mut after = None;
        loop {
            let page = enumerate.list_namespaces(after.as_ref()).await?;
            tally.unnameable += page.unnameable;
            for namespace in &page.items {
                self.namespace(&*enumerate, namespace, tally, told).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn namespace(
        &self,
        enumerate: &dyn Enumerate,
        namespace: &str,
        tally: &mut Tally,
        told: &mut impl FnMut(&TokenKey, &Outcome),
    ) -> Result<()> {
        let mut after = None;
        loop {
            let page = enumerate.list_keys(namespace, after.as_ref()).await?;
            tally.unnameable += page.unnameable;
            self.keys(&page.items, tally, told).await?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn keys(
        &self,
        keys: &[TokenKey],
        tally: &mut Tally,
        told: &mut impl FnMut(&TokenKey, &Outcome),
    ) -> Result<()> {
        for key in keys {
            let outcome = self.carry(key).await?;
            tally.count(&outcome);
            told(key, &outcome);
        }
        Ok(())
    }
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Copied { replaced } => {
                self.replaced += u64::from(*replaced);
                &mut self.copied
            }
            Outcome::AlreadyThere => &mut self.already_there,
            Outcome::Absent => &mut self.absent,
            Outcome::Left(_) => &mut self.left,
        };
        *counter += 1;
    }
}
