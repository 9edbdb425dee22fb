/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Single wrong rules, planted one at a time to prove that the simulation finds them (doc/testing.md).
 * Only its own build (FO_TEST_FAULTS) has them; in the library FO_FAULTY is false, and the places are
 * nothing.
 *
 * One list has all: name, the invariants (tests/sim/oracle.c) by one of which it is to be found, the
 * kind of worlds in which it is looked for (tests/sim/plan.c), and what is wrong. A rule is switched
 * off where it stands, in as few words as can be.
 */
#ifndef FO_PROTOCOL_FAULTS_H
#define FO_PROTOCOL_FAULTS_H

#define FO_FAULTS(X)                                                                               \
    /* lengths of leases */                                                                        \
    X(NO_CLAMP, "no-clamp", "2", ORDINARY, "leases are as long as is desired")                     \
    X(OWN_END, "own-end", "2", ORDINARY, "the bound counts the lease's own end")                   \
    X(ACKED_WHEN_SENT, "acked-when-sent", "2", ORDINARY, "what is sent counts as acknowledged")    \
    X(END_LOWERED, "end-lowered", "1 3", CROWDED, "a shorter renewal lowers a lease's end")        \
    X(TENURE_KEPT, "tenure-kept", "2", ORDINARY, "times of a tenure survive FREE")                 \
    X(CLOCK_WRONG_WAY, "clock-wrong-way", "4 5", ORDINARY,                                         \
      "the clocks' difference is taken, not added")                                                \
    /* one binding, several hands */                                                               \
    X(NO_CLAIM, "no-claim", "1 3", CROWDED, "a REQUEST acts without a claim")                      \
    X(CLAIMED_JUDGED, "claimed-judged", "1 3", CROWDED,                                            \
      "an update is judged while its binding is claimed")                                          \
    X(CLAIMED_SENT, "claimed-sent", "1 3 4", CROWDED, "an end is sent while its client renews")    \
    X(SENT_RENEWED, "sent-renewed", "1 3", CROWDED, "a lease is renewed whose end was sent")       \
    X(HELD_MOVED, "held-moved", "1 3", CROWDED, "addresses claimed or offered are handed over")    \
    X(ROW_LATER, "row-later", "4", ORDINARY, "an end is sent while Kea's row stands")              \
    /* updates */                                                                                  \
    X(ACK_ANY, "ack-any", "1 3 5", CROWDED, "an acknowledgement moves any generation")             \
    X(ACK_EARLY, "early-ack", "4", ORDINARY, "BNDACK before the commit")                           \
    X(UPDATE_EARLY, "early-update", "4", ORDINARY, "BNDUPD before the commit")                     \
    X(STATE_EARLY, "early-state", "4", ORDINARY, "STATE before the commit")                        \
    X(ACK_UNDEFERRED, "ack-undeferred", "1 3 5", CROWDED,                                          \
      "an acknowledgement overtakes an update")                                                    \
    X(REJECTED_DROPPED, "rejected-dropped", "5", ORDINARY, "what was rejected is not told again")  \
    X(FREE_OVER_ACTIVE, "free-over-active", "1 3", CROWDED,                                        \
      "FREE is accepted over a lease that runs")                                                   \
    X(NEAR_LATER, "near-later", "1 3 5", FICKLE, "the later of two near transactions wins")        \
    X(CROSSING_AGREED, "crossing-agreed", "1 3", FICKLE, "a crossing end is agreement")            \
    X(REPLAYED, "replayed", "1 3 4 5", FICKLE,                                                     \
      "an update of an earlier connection is taken after a newer one")                             \
    X(EXPIRED_FREE, "expired-free", "1 3", ORDINARY, "an expired address is free at once")         \
    X(RENEWED_ENDS, "renewed-ends", "1 3 5", ORDINARY,                                             \
      "a lease ends when it would have without renewal")                                           \
    X(RELEASE_PAST, "release-past", "1 3", FICKLE,                                                 \
      "a RELEASE ends a lease that the partner gave later")                                        \
    /* whose a free address is */                                                                  \
    X(POOLS_LEFT, "pools-left", "1 3", SHIFTING,                                                   \
      "of a pool that a reload takes away the partner is told nothing")                            \
    X(FOREIGN_FORGOTTEN, "foreign-forgotten", "1 3", SHIFTING,                                     \
      "what the partner has in no pool of ours is free when we have it")                           \
    X(RETURNING_OURS, "returning-ours", "3", ORDINARY, "what is asked back is given at once")      \
    X(RESERVED_BOTH, "reserved-both", "1 3", RESERVED,                                             \
      "both give a reserved address, agreed or not")                                               \
    /* what may be forgotten */                                                                    \
    X(LEASES_UNDOUBTED, "leases-undoubted", "1 3", FRAGILE,                                        \
      "after a power cut leases end as stored")                                                    \
    X(FREE_UNDOUBTED, "free-undoubted", "1 3", FRAGILE,                                            \
      "after a power cut free addresses are given")                                                \
    X(QUARANTINE_LOST, "quarantine-lost", "1 3", FRAGILE, "another start forgets the quarantine")  \
    X(GROUPS_UNMARKED, "groups-unmarked", "1 3", FRAGILE, "groups are used without a mark")        \
    X(FREE_UNSTORED, "free-unstored", "1 3", FRAGILE,                                              \
      "an address is given before it is stored as free")                                           \
    X(SECOND_FORGOTTEN, "second-forgotten", "1 3", BRITTLE,                                        \
      "a row of the last stored second is no news")                                                \
    X(ROWS_IGNORED, "rows-ignored", "1 3 5", ORDINARY,                                             \
      "Kea's rows are not compared at the start")                                                  \
    X(PAGE_ALONE, "page-alone", "4", ORDINARY, "bits are stored without their records")            \
    X(PARTNER_UNDOUBTED, "partner-undoubted", "1 3", FORGETFUL,                                    \
      "a partner's lost promises end as known")                                                    \
    X(ALL_UNACKED, "all-unacked", "1 3 5", FORGETFUL,                                              \
      "UPDREQALL is answered with what is unacknowledged")                                         \
    X(DONE_EARLY, "done-early", "1 3", FORGETFUL, "UPDDONE comes before the updates")              \
    X(DONE_STALE, "done-stale", "1 3", FORGETFUL, "an UPDDONE of an older request counts")         \
    X(RECOVER_WAIT_SKIPPED, "recover-wait-skipped", "1 3", FORGETFUL,                              \
      "RECOVER-WAIT is over at once")                                                              \
    X(FORGETTING_LOST, "forgetting-lost", "1 3", FORGETFUL,                                        \
      "a restart does not go on forgetting an older copy")                                         \
    X(STRANGER_BELIEVED, "stranger-believed", "1 3 5", ORDINARY,                                   \
      "a recorded connection is taken for one of the partner's")                                   \
    /* alone */                                                                                    \
    X(TAKES_AT_ONCE, "takes-at-once", "1 3", LONELY, "the partner's addresses are taken at once")  \
    X(LAPSES_AT_ONCE, "lapses-at-once", "1 3", LONELY,                                             \
      "an ended lease's address is free at once")                                                  \
    X(MCLT_LOWERED, "mclt-lowered", "1 3", THRIFTY,                                                \
      "waits go by a lowered MCLT at once")                                                        \
    X(CONNECTED_ALONE, "connected-alone", "1 2 3", LONELY, "alone even while connected")           \
    X(STARTUP_SKIPPED, "startup-skipped", "1 3", LONELY, "a start does not wait for its partner")  

/* Which one is planted: FO_FAULT_NO_CLAMP and so on. */
enum fo_fault {
    FO_FAULT_NONE,
#define FO_FAULT_NUMBER(name, text, found, kind, what) FO_FAULT_##name,
    FO_FAULTS(FO_FAULT_NUMBER)
#undef FO_FAULT_NUMBER
    FO_FAULT_COUNT,
};

#ifdef FO_TEST_FAULTS
extern enum fo_fault fo_planted;
#define FO_FAULTY(name) (fo_planted == FO_FAULT_##name)
#define FO_SOUND (fo_planted == FO_FAULT_NONE)
#else
#define FO_FAULTY(name) false
#define FO_SOUND true
#endif

#endif
