//! Rendezvous hashing with bounded loads: every worker computes the same assignment from the same members. A change of the
//! members moves few partitions.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A consumer of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) process: Uuid,
    pub(super) consumer: u16,
}

/// The member of each partition. The numbers of partitions of two members differ by at most one. The best pair of a member and
/// a partition is taken first.
pub(super) fn assign(members: &[Member], partitions: u16) -> Vec<Member> {
    let members_count = members.len().max(1);
    let least = usize::from(partitions) / members_count;
    let mut members_with_one_more = usize::from(partitions) % members_count;
    let mut pairs: Vec<_> = (0..partitions)
        .flat_map(|partition| {
            members.iter().map(move |member| (score(*member, partition), *member, partition))
        })
        .collect();
    pairs.sort_unstable_by(|one, other| other.cmp(one));
    let mut taken: Vec<Option<Member>> = vec![None; usize::from(partitions)];
    for (_, member, partition) in pairs {
        if taken[usize::from(partition)].is_some() {
            continue;
        }
        let count = taken.iter().filter(|one| **one == Some(member)).count();
        if count == least && members_with_one_more > 0 {
            members_with_one_more -= 1;
        } else if count >= least {
            continue;
        }
        taken[usize::from(partition)] = Some(member);
    }
    taken.into_iter().flatten().collect()
}

fn score(member: Member, partition: u16) -> [u8; 32] {
    let hash = Sha256::new().chain_update(member.process).chain_update(member.consumer.to_be_bytes());
    hash.chain_update(partition.to_be_bytes()).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn members(processes: u128, consumers: u16) -> Vec<Member> {
        let of = |process| {
            (0..consumers).map(move |consumer| Member { process: Uuid::from_u128(process), consumer })
        };
        (1..=processes).flat_map(of).collect()
    }

    fn moved(one: &[Member], other: &[Member]) -> usize {
        one.iter().zip(other).filter(|(one, other)| one != other).count()
    }

    #[test]
    fn every_partition_has_a_member_and_the_loads_differ_by_one_at_most() {
        for (processes, consumers, partitions) in
            [(1, 1, 1), (1, 2, 16), (3, 2, 16), (5, 1, 256), (20, 2, 16)]
        {
            let members = members(processes, consumers);
            let assigned = assign(&members, partitions);
            assert_eq!(assigned.len(), usize::from(partitions));
            let mut loads: BTreeMap<Member, usize> = members.iter().map(|member| (*member, 0)).collect();
            for member in &assigned {
                *loads.get_mut(member).unwrap() += 1;
            }
            let (least, most) = (loads.values().min().unwrap(), loads.values().max().unwrap());
            assert!(most - least <= 1, "{loads:?}");
        }
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        let mut members = members(4, 2);
        let assigned = assign(&members, 64);
        members.reverse();
        assert_eq!(assign(&members, 64), assigned);
    }

    #[test]
    fn without_members_nothing_is_assigned() {
        assert_eq!(assign(&[], 16), []);
    }

    #[test]
    fn a_change_of_the_members_moves_few_partitions() {
        for processes in 2..=8 {
            let (before, after) = (members(processes, 2), members(processes + 1, 2));
            let moved = moved(&assign(&before, 128), &assign(&after, 128));
            // The new process must get this many.
            let needed = 128 / after.len() * 2;
            assert!(moved <= needed * 2, "{processes} processes: {moved} moved, {needed} are needed");
        }
    }
}
