/* Runs a recording of a real member again (see tests/peer/recording.h): the same events must have
 * the same effects, byte for byte. */
#pragma once

/* Prints what it found. Returns an exit code: 0 only when the recording holds at least one event
 * and every effect is the same. */
int sim_replay(const char *path);
