// Kept small and apart: it runs before the page is painted. `src/frame/theme.ts` writes what is read here.
(() => {
  let theme = 'system';
  try {
    theme = localStorage.getItem('posthorn-theme') || 'system';
  } catch {
    // A browser that keeps nothing: then the system decides.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
