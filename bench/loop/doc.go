// Command loop compares the event loop with the bare things it is made of, with asyncio and with uvloop.
//
// Every row is measured by Go, asyncio and uvloop one after the other, in each of several rounds, so that a noisy
// neighbour disturbs all alike; ratios are medians of the ratios of each round. Times are processor time of the whole
// process, which a neighbour cannot inflate by taking time slices, except where the row says wall.
package main
