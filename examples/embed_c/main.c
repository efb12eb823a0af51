/* A pole on a cart, kept upright by the network in policy.c: the loop of a controller, with the physics in place of
 * motors and sensors.  Prints state and force of every step, then how long a call takes. */
#include "policy.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#define STEPS 1000   /* of control */
#define DT 0.01      /* s between them */
#define PARTS 10     /* of the physics in one step of control */
#define CALLS 200000 /* to measure */

/* place (m), speed (m/s), angle from upright (rad), its rate (rad/s) */
typedef double state_of_cart[POLICY_X_SIZE];

/* The force (N) that the network answers. */
static double control(policy_scratch *scratch, const double *state)
{
    float x[POLICY_X_SIZE], y[POLICY_Y_SIZE];
    double force;
    policy_standardize(state, x);
    policy_run(scratch, x, y);
    policy_unstandardize(y, &force);
    return force;
}

/* Cart of 1 kg, pole of 0.1 kg whose centre is 0.5 m away [Barto, Sutton & Anderson 1983, without friction]. */
static void move(double *state, double force, double dt)
{
    const double g = 9.81, pole = 0.1, total = 1.1, length = 0.5;
    const double s = sin(state[2]), c = cos(state[2]);
    const double pushed = (force + pole * length * state[3] * state[3] * s) / total;
    const double turn = (g * s - c * pushed) / (length * (4.0 / 3.0 - pole * c * c / total));
    const double speed_up = pushed - pole * length * turn * c / total;
    state[1] += dt * speed_up;
    state[3] += dt * turn;
    state[0] += dt * state[1];
    state[2] += dt * state[3];
}

int main(void)
{
    static policy_scratch scratch;
    static state_of_cart seen[STEPS];
    state_of_cart state = {0.0, 0.0, 0.3, 0.0};
    double total = 0.0;
    clock_t began;
    int step, i;
    for (step = 0; step < STEPS; step++) {
        const double force = control(&scratch, state);
        printf("%.17g %.17g %.17g %.17g %.17g\n", state[0], state[1], state[2], state[3], force);
        for (i = 0; i < POLICY_X_SIZE; i++)
            seen[step][i] = state[i];
        for (i = 0; i < PARTS; i++)
            move(state, force, DT / PARTS);
    }
    began = clock();
    for (i = 0; i < CALLS; i++)
        total += control(&scratch, seen[i % STEPS]);
    printf("%.4g ns per call, sum %.9g\n", (double)(clock() - began) / CLOCKS_PER_SEC * 1e9 / CALLS, total);
    return 0;
}
