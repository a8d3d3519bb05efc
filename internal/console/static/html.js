// The one way in which views are written: htm's tagged templates over preact.
import { h, render } from "preact";
import htm from "htm";

export const html = htm.bind(h);
export { h, render };
export { useState, useEffect, useRef, useMemo, useCallback } from "preact/hooks";
