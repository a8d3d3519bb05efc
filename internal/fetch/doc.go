// Package fetch knows one HTTP exchange with a foreign server, and whether and when to try again.
//
// It opens connections for whoever may submit, so every way out of the process goes through its one Guard and
// its one transport: a URL is judged when it is submitted (Check, without any look-up), its name and port when
// an attempt starts, all addresses of its name before one is dialled, and once more what the socket is really
// connected to – on each redirect hop anew.
//
// It never waits between attempts. An Outcome says whether another attempt is worth it and after how long; the
// loop holds that wait.
package fetch
