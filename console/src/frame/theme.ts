import { storeOf, useStore } from './store.ts';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** Also in public/assets/theme.js, which reads it before the first paint. */
const KEY = 'posthorn-theme';

const chosen = storeOf<Theme>(kept());

function kept(): Theme {
  const { theme } = document.documentElement.dataset;
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

export function chooseTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // A browser that keeps nothing: it holds until the page is left.
  }
  chosen.set(theme);
}

export function useTheme(): Theme {
  return useStore(chosen);
}
