//! What is measured, and in which order.

use crate::{BASE_RECORDS, Operation};

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) operation: Operation,
    pub(crate) records: usize,
    pub(crate) tasks: usize,
}

/// The records grow, so that each is written once.
const RECORDS: [usize; 4] = [1, BASE_RECORDS, 1_000, 10_000];
const TASKS: [usize; 4] = [4, 16, 64, 256];
/// Whose growth is measured.
const GROWING: [Operation; 3] = [Operation::Get, Operation::Store, Operation::List];
/// What is done by several tasks at the same time.
const TOGETHER: [Operation; 2] = [Operation::Get, Operation::Store];

/// All measurements of these operations, by growing number of records.
pub(crate) fn points(operations: &[Operation]) -> Vec<Point> {
    let wanted = |operation: &Operation| operations.is_empty() || operations.contains(operation);
    let mut points = Vec::new();
    for records in RECORDS {
        let base = records == BASE_RECORDS;
        for operation in Operation::ALL.into_iter().filter(wanted) {
            if base || GROWING.contains(&operation) {
                points.push(Point {
                    operation,
                    records,
                    tasks: 1,
                });
            }
            if base && TOGETHER.contains(&operation) {
                points.extend(TASKS.map(|tasks| Point {
                    operation,
                    records,
                    tasks,
                }));
            }
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_measured_and_only_those_that_are_asked_for() {
        let all = points(&[]);
        for operation in Operation::ALL {
            assert!(all.iter().any(|point| point.operation == operation), "{operation:?}");
        }
        assert!(all.is_sorted_by_key(|point| point.records));
        let some = points(&[Operation::Lease]);
        assert_eq!(
            some,
            [Point {
                operation: Operation::Lease,
                records: BASE_RECORDS,
                tasks: 1
            }]
        );
    }
}
